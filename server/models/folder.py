"""The models folder, from the event loop."""

import asyncio
from pathlib import Path

import structlog

from vitscope.bundle import BundleError
from vitscope.server.models.key import ModelKey
from vitscope.server.models.survey import Stamp, survey

log = structlog.get_logger()


class ModelsFolder:
    """`<path>/<name>/<version>/` holds the bundle of each version."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unusable = False
        self._unreadable: set[str] = set()

    def path_of(self, key: ModelKey) -> Path:
        return self.path / key.name / str(key.version)

    async def survey(self) -> dict[ModelKey, Stamp]:
        """Return the versions in the folder. Raises BundleError if it is missing, cannot be read or holds no bundle."""
        found = await asyncio.to_thread(survey, self.path)
        if not found:
            raise BundleError(f"{self.path}: no bundles in it; expected {self.path}/<name>/<version>/manifest.json")
        unreadable = {key.name for key in found if key.is_unreadable}
        for name in sorted(unreadable - self._unreadable):
            reason = found[ModelKey.of_unreadable(name)].manifest
            log.warning("a model is not followed; what it serves stays as it is", model=name, reason=reason)
        self._unreadable = unreadable
        return found

    async def survey_if_usable(self) -> dict[ModelKey, Stamp] | None:
        """Return the versions in the folder, None where `survey` raises. That is logged once, until the folder is
        usable again.

        A folder that is suddenly empty says nothing about its versions: its volume may have been unmounted.
        """
        try:
            found = await self.survey()
        except BundleError as error:
            if not self._unusable:
                log.warning(
                    "the models folder is not followed; everything stays as it is",
                    folder=str(self.path),
                    reason=str(error),
                )
            self._unusable = True
            return None
        if self._unusable:
            log.info("the models folder is followed again", folder=str(self.path))
        self._unusable = False
        return found
