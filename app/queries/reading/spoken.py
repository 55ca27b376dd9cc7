"""Answers in the reader's language. Read models keep sentences in English with their codes and parameters."""

from uuid import UUID

from msgspec import structs

from app.queries.reading.store import Answer, Store
from app.words.catalog import digest
from app.words.languages import DEFAULT, Language, known
from app.words.worded import translated

_OWN = "SELECT language FROM read_model.profiles WHERE account_id = $1"


async def own_language(store: Store, account_id: UUID) -> Language:
    """Return the account's own language."""
    return known(await store.pool.fetchval(_OWN, account_id))


def spoken(answer: Answer, language: Language) -> Answer:
    """Say the sentences of an answer in a language, under a validator of its own."""
    return structs.replace(
        answer, body=translated(answer.body, language), etag=tag_in(answer.etag, language), language=language
    )


def tag_in(etag: str, language: Language) -> str:
    """Return the validator of a state in a language: the state's own with the language and the catalogs it is from."""
    return etag if language == DEFAULT else f'{etag[:-1]}.{language}-{digest()}"'
