"""Wrong settings are told in words."""

from typing import Any

import pytest

from webapp import checks
from webapp.logs import REDACTED, redact
from webapp.socket_path import LONGEST_SOCKET_PATH, valkey_socket


@pytest.mark.parametrize(
    ("check", "changes", "words"),
    [
        ("ice_servers", {"ICE_SERVERS_ERROR": "ICE_SERVERS is not JSON."}, "not JSON"),
        ("ice_policies", {"ICE_POLICY": "relays"}, "ICE_POLICY is 'relays'"),
        ("ice_policies", {"ICE_POLICY": "relay"}, "names no TURN server"),
        ("ice_policies", {"MEDIA_ICE_POLICY": "none"}, "MEDIA_ICE_POLICY is 'none'"),
        ("ice_policies", {"MEDIA_ICE_POLICY": "all"}, "no server that the media worker can use"),
        ("turn_secret", {"TURN_SECRET": "long enough to be a secret"}, "names no TURN server"),
        ("turn_secret", {"TURN_CREDENTIAL_S": 5}, "TURN_CREDENTIAL_S is 5"),
        ("media_ports", {"MEDIA_PORTS": "50000"}, "no range of ports"),
        (
            "media_ports",
            {"MEDIA_PORTS": "50000-50002", "MEDIA_WORKERS": 1, "MEDIA_WORKER_CAPACITY": 3},
            "3 ports for 3 conversations",
        ),
        ("janus", {"JANUS_URL": "http://127.0.0.1:8088/janus", "JANUS_ADMIN_KEY": "k"}, "no address of a WebSocket"),
        ("janus", {"JANUS_URL": "ws://x", "JANUS_ADMIN_KEY": "k", "JANUS_MOST_VIEWERS": 0}, "JANUS_MOST_VIEWERS is 0"),
        ("janus", {"JANUS_URL": "ws://127.0.0.1:8188"}, "JANUS_ADMIN_KEY is empty"),
        ("media_addresses", {"MEDIA_ADDRESSES": ["talk.example.org"]}, "no IP address"),
        ("provider_urls", {"LLM_URL": "localhost:1234", "LLM_MODEL": "m"}, "no web address"),
        ("provider_urls", {"STT_URL": "http://x/v1", "STT_MODEL": ""}, "STT_MODEL is empty"),
        ("ports", {"PORT": 0}, "PORT is 0"),
        ("ports", {"PORT": 9000, "BRAIN_PORT": 9000}, "are both 9000"),
        ("data_dir", {"PARLO_DATA_DIR": "/proc/none"}, "cannot be written"),
        ("tts_rate", {"TTS_RATE_HZ": 100}, "TTS_RATE_HZ is 100"),
        ("media_workers", {"MEDIA_WORKERS": 0}, "MEDIA_WORKERS is 0"),
        ("model_files", {"LLM_GGUF_PATH": "/nowhere/x.gguf"}, "which is not there"),
        ("creator_providers", {"CREATOR_PROVIDERS": "some"}, "CREATOR_PROVIDERS is 'some'"),
        ("provider_urls", {"REALTIME_URL": "wss://x/v1", "REALTIME_MODEL": ""}, "REALTIME_MODEL is empty"),
        ("whisper_model", {"WHISPER_MODEL": "huge"}, "WHISPER_MODEL is 'huge'"),
        ("whisper_model", {"STT_LANGUAGE": "de"}, "hears English only"),
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


def test_a_media_worker_that_is_to_use_a_relay_needs_one_that_it_understands(settings: Any) -> None:
    settings.MEDIA_ICE_POLICY = "relay"
    for urls, found in (
        (["stun:turn.example.org"], 1),
        (["turns:turn.example.org?transport=udp"], 1),
        (["turn:[2001:db8::7]:3478"], 1),
        (["turn:turn.example.org"], 0),
        (["turns:turn.example.org"], 0),
    ):
        settings.ICE_SERVERS = [{"urls": urls, "username": "u", "credential": "c"}]
        assert len(checks.ice_policies()) == found


def test_a_secret_that_can_be_guessed_is_a_warning(settings: Any) -> None:
    settings.ICE_SERVERS, settings.TURN_SECRET = [{"urls": "turn:turn.example.org"}], "secret"
    (warning,) = checks.turn_secret()
    assert "6 characters" in warning.msg
    assert "secret" not in warning.msg.replace("TURN_SECRET", "")


def test_secrets_stay_out_of_the_log() -> None:
    event = redact(None, "info", {"event": "x", "api_key": "k", "session_token": "t", "code": "A"})
    assert event == {"event": "x", "api_key": REDACTED, "session_token": REDACTED, "code": "A"}


def test_a_deep_data_directory_still_gets_a_socket(tmp_path: Any) -> None:
    deep = tmp_path.joinpath(*["folder"] * 20)
    assert len(str(valkey_socket(deep))) <= LONGEST_SOCKET_PATH
    assert valkey_socket(deep) != valkey_socket(deep / "other")
    assert valkey_socket(tmp_path) == valkey_socket(tmp_path)
