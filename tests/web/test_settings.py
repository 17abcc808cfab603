"""Wrong settings are told in words."""

from typing import Any

import pytest

from webapp import checks
from webapp.ice import parse_ice_servers
from webapp.logs import REDACTED, redact
from webapp.socket_path import LONGEST_SOCKET_PATH, valkey_socket


@pytest.mark.parametrize(
    ("check", "changes", "words"),
    [
        ("ice_servers", {"ICE_SERVERS_ERROR": "ICE_SERVERS is not JSON."}, "not JSON"),
        ("provider_urls", {"LLM_URL": "localhost:1234", "LLM_MODEL": "m"}, "no web address"),
        ("provider_urls", {"STT_URL": "http://x/v1", "STT_MODEL": ""}, "STT_MODEL is empty"),
        ("ports", {"PORT": 0}, "PORT is 0"),
        ("ports", {"PORT": 9000, "BRAIN_PORT": 9000}, "are both 9000"),
        ("data_dir", {"PARLO_DATA_DIR": "/proc/none"}, "cannot be written"),
        ("tts_rate", {"TTS_RATE_HZ": 100}, "TTS_RATE_HZ is 100"),
        ("media_workers", {"MEDIA_WORKERS": 0}, "MEDIA_WORKERS is 0"),
        ("model_files", {"LLM_GGUF_PATH": "/nowhere/x.gguf"}, "which is not there"),
        ("valkey_url", {"REDIS_URL": "http://x"}, "no redis:// address"),
        ("reachable_from_outside", {"BIND": "0.0.0.0"}, "microphone"),
        ("wide_open_hosts", {"ALLOWED_HOSTS": ["*"]}, "any site"),
    ],
)
def test_each_wrong_setting_is_found(settings: Any, check: str, changes: dict[str, Any], words: str) -> None:
    look = getattr(checks, check)
    assert look() == []
    for name, value in changes.items():
        setattr(settings, name, value)
    (issue,) = look()
    assert words in issue.msg
    assert issue.hint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("{}", "JSON list"),
        ("[1]", 'with "urls"'),
        ('[{"urls":"http://x"}]', "no stun: or turn: address"),
        ('[{"urls":"turn:x"}]', "username and credential"),
    ],
)
def test_bad_ice_servers_are_told(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_ice_servers(text)


def test_good_ice_servers_are_read() -> None:
    assert parse_ice_servers("") == []
    servers = [{"urls": ["stun:a", "turns:b"], "username": "u", "credential": "c"}]
    assert parse_ice_servers('[{"urls":["stun:a","turns:b"],"username":"u","credential":"c"}]') == servers


def test_secrets_stay_out_of_the_log() -> None:
    event = redact(None, "info", {"event": "x", "api_key": "k", "session_token": "t", "code": "A"})
    assert event == {"event": "x", "api_key": REDACTED, "session_token": REDACTED, "code": "A"}


def test_a_deep_data_directory_still_gets_a_socket(tmp_path: Any) -> None:
    deep = tmp_path.joinpath(*["folder"] * 20)
    assert len(str(valkey_socket(deep))) <= LONGEST_SOCKET_PATH
    assert valkey_socket(deep) != valkey_socket(deep / "other")
    assert valkey_socket(tmp_path) == valkey_socket(tmp_path)
