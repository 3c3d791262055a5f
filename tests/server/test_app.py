"""What the process reports about its models."""

import asyncio
from pathlib import Path

from tests.server.models.bundles import write_bundle
from vitscope.server.api.health import Health
from vitscope.server.app import App
from vitscope.server.settings import Settings


async def test_a_version_that_still_answers_what_it_has_is_not_ready(tmp_path: Path) -> None:
    for version in (1, 2):
        write_bundle(tmp_path / "models", "a", version, tmp_path)
    app = App(Settings(models=tmp_path / "models", engine="onnxruntime", engine_cache=tmp_path / "cache"))
    app.health = Health()

    def value(name: str) -> float | None:
        return app.metrics.registry.get_sample_value(name, {"model": "a", "version": "2"})

    await app.watcher.start()
    assert value("vitscope_model_ready") == 1
    model = app.repository.ready("a", 2)
    with model.lease():
        retiring = app.repository.retire(model)
        await asyncio.sleep(0.1)
        assert value("vitscope_model_ready") is None
        assert value("vitscope_engine_degraded") == 0, "its other series stay while it has something to answer"
    await retiring
    assert value("vitscope_engine_degraded") is None
    app.scheduler.close()
    await app.repository.close()
    app.decoding.close()
