"""`openai:MODEL`: a language model behind any endpoint that speaks OpenAI's chat completions (`harness/llm/endpoint`).

What was asked, what came back and what it cost is told as all proposers tell it; an endpoint without an answer stops
the run, which can be resumed, whoever's fault it is.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from harness.core.candidate import SIZE_LIMIT
from harness.core.errors import InfrastructureError, UserError
from harness.discover import prompts
from harness.discover.proposers import Proposal, Proposer, ProposerError
from harness.llm.account import Prices, Usage
from harness.llm.endpoint import FORMS, Endpoint, UnfinishedError
from harness.llm.request import Message, Request

if TYPE_CHECKING:
    from harness.core.verdict import Json
    from harness.discover.proposers import Ask, Context
    from harness.llm.request import Reply

#: Characters of a reply that are kept: one more than the largest candidate, so that it is known to be too large.
_KEPT = SIZE_LIMIT + 1
#: Characters of a token, where a server does not count them: what is likely, since it decides when a run ends.
_TOKEN = 4
_SCHEMA = {"name": "loss", "strict": True, "schema": prompts.SCHEMA}


class OpenAIProposer(Proposer):
    """Asks a chat model. Raises UserError as `Endpoint`."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.label = f"openai:{ask.word}"  # the endpoint is nobody's business who reads a record
        self.takes_pictures = ask.pictures
        self._endpoint = Endpoint(
            ask.base_url, name="its endpoint", seconds=ask.timeout, retries=ask.retries, kept=_KEPT
        )

    def request(self, context: Context) -> Json:
        """The conversation."""
        return list(prompts.messages(context))

    def propose(self, context: Context, key: str) -> Proposal:
        """Ask; a reply that broke off at every attempt is one that was cut."""
        asked = self._request(context)
        try:
            reply = self._endpoint.ask(asked, key=key)
        except UnfinishedError as error:
            reply = error.reply
        except (UserError, InfrastructureError) as error:
            when = "resume the run when the endpoint answers again: " if isinstance(error, InfrastructureError) else ""
            raise ProposerError(f"{self.label} gave no reply: {error.message}", remedy=when + error.remedy) from None
        spent = Usage()
        for one in (*reply.lost, reply):
            spent += self._usage(asked, one)
        refused = (reply.refused or reply.finish == "content_filter") and not reply.text.strip()
        return Proposal(reply.text, spent, cut=reply.finish == "length", refused=refused)

    def state(self) -> Json:
        """The form that the server is known to take."""
        return {"form": self._endpoint.form}

    def restore(self, state: Json) -> None:
        """Go on with that form."""
        form = state.get("form") if isinstance(state, dict) else None
        if type(form) is not int or not 0 <= form < len(FORMS):
            raise ValueError("this is no state of an openai proposer")
        self._endpoint.form = form

    def close(self) -> None:
        """Close the connections."""
        self._endpoint.close()

    def _request(self, context: Context) -> Request:
        ask = self._ask
        shown = context.picture if self.takes_pictures else None
        return Request(
            model=ask.word,
            messages=tuple(Message(str(one["role"]), str(one["content"])) for one in prompts.messages(context)),
            temperature=ask.temperature,
            most_tokens=ask.most_tokens,
            # Servers that are not OpenAI's know the older name, and its newer models only the other.
            cap="max_tokens" if ask.base_url else "max_completion_tokens",
            seed=context.seed % 2**31,
            schema=_SCHEMA,
            picture=None if shown is None else base64.b64encode(shown).decode("ascii"),
        )

    def _usage(self, asked: Request, reply: Reply) -> Usage:
        tokens = reply.prompt_tokens, reply.completion_tokens
        if not reply.counted:
            spoken = sum(len(message.content) for message in asked.messages)
            tokens = spoken // _TOKEN + 1, len(reply.text) // _TOKEN + 1
        return Prices(self._ask.price_in, self._ask.price_out).usage(*tokens)


def open_proposer(ask: Ask) -> OpenAIProposer:
    """A chat model. Raises UserError where there is no key for OpenAI's own endpoint, or an address that is none."""
    return OpenAIProposer(ask)
