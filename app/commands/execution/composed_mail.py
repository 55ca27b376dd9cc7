"""Mails in the language of who receives them."""

from uuid import UUID, uuid4

from msgspec import Struct, field

from app.integrations.mail import Mail
from app.words.languages import DEFAULT, Language
from app.words.sentence import in_language


class Addressee(Struct, frozen=True):
    """The recipient of a mail. `user_id` is no user's where the mailbox belongs to none."""

    email: str
    language: Language = DEFAULT
    user_id: UUID = field(default_factory=uuid4)


def mail(to: Addressee, subject: str, *paragraphs: str) -> Mail:
    """Compose a mail without any text from a customer, names included: a sign-up with a stranger's address would
    otherwise send that person a text of the attacker's choice."""
    text = "\n\n".join(in_language(each, to.language) for each in paragraphs)
    return Mail(to.email, in_language(subject, to.language), f"{text}\n")
