"""What can go wrong in the service beside a macaroon itself. No message holds a secret (law 8)."""

from __future__ import annotations


class CapsvcError(Exception):
    """The base of the service's own errors; each says what to do."""


class SettingsError(CapsvcError):
    """A setting, the home or the key ring is missing or wrong. The message names it."""


class StoreUnavailable(CapsvcError):
    """The store cannot say. It never permits."""


class StoreBusy(StoreUnavailable):
    """The store is locked for the moment; who can wait may ask again with patience."""


class Unacknowledged(StoreUnavailable):
    """A change may stand, but its high water could not be written; to ask for it again is safe."""


class NotSeenYet(StoreUnavailable):
    """This node has not seen a revision that it was asked to have seen."""


class WentBack(CapsvcError):
    """Somebody knows a later revision than the database has."""


class UnknownUser(CapsvcError):
    """There is no user of this name."""


class Refused(CapsvcError):
    """The service will not do this, and the message says why: a name taken, an audience not allowed."""


class CredentialsRefused(Refused):
    """User and password do not belong together, or the user is disabled. Says no more on purpose."""


class IdTokenRefused(CredentialsRefused):
    """An ID token is not taken. Until its signature is proven, the message says no more than that, on purpose."""


class IdTokenExpired(IdTokenRefused):
    """An ID token is proven, and its time is over. The message says what the time is here."""


class IdTokenUsed(IdTokenRefused):
    """An ID token is proven, and was used before."""


class ProviderUnavailable(CapsvcError):
    """An identity provider's keys are not to be had, so that nobody can log in there. ``retry_after`` is in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooBusy(CapsvcError):
    """All hashing slots are taken. ``retry_after`` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many logins at once; try again in a moment")
        self.retry_after = retry_after


class TooMany(CapsvcError):
    """Something was done too often from one place. ``what`` names it, ``retry_after`` is in seconds."""

    def __init__(self, what: str, retry_after: int) -> None:
        super().__init__(f"too many {what} from here; try again in {retry_after} seconds")
        self.retry_after = retry_after


class Unbound(CapsvcError):
    """The capability is proven, but not bound to one request, or not for so short a time as the guard demands."""


class Replayed(CapsvcError):
    """This very request was let in before."""


class TicketError(CapsvcError):
    """A ticket does not open here. Says no more on purpose."""

    def __init__(self) -> None:
        super().__init__("the ticket does not open here")


class CollectionError(CapsvcError):
    """A discharge could not be collected. The message names the third party and says why."""


class DischargeDenied(CollectionError):
    """A third party says no. The message holds the reason that it gives, on one line."""


class InteractionNeeded(CollectionError):
    """Somebody has to go to ``url`` first, where the third party asks a person; then ask again."""

    def __init__(self, message: str, url: str) -> None:
        super().__init__(message)
        self.url = url


class FeedError(CapsvcError):
    """A page of changes is not believed. The message says why, and what to look at."""
