"""What Prometheus scrapes."""

import httpx


async def test_metrics_tell_of_this_process_and_of_how_far_behind_the_portal_is(api: httpx.AsyncClient) -> None:
    text = (await api.get("/metrics")).text
    assert "portal_measures_up 1.0" in text
    assert 'portal_inbox_open{lane="fetch"} 0.0' in text
    assert "portal_http_requests_total" in text
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
