// The visitor's microphone: asking for it, changing it, muting it.

const WISHES = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const KEY = "parlo-microphone";

const SENTENCES = {
  insecure:
    "Browsers give the microphone only to pages opened by https or on this same machine. You can type; for speaking, open this page by an https address.",
  NotAllowedError: "The microphone is not allowed here, so you can type. To speak, allow it beside the address bar, hang up and talk again.",
  NotFoundError: "There is no microphone, so you can type. Plug one in, hang up and talk again to speak.",
  NotReadableError: "Another program holds the microphone, so you can type. Close that program, hang up and talk again to speak.",
};
const OTHERWISE = "The microphone did not start, so you can type.";

/** Why there is no microphone, as a sentence. */
export class NoMicrophone extends Error {}

export class Microphone {
  constructor() {
    this.stream = null;
    this.muted = false;
  }

  get track() {
    return this.stream?.getAudioTracks()[0] ?? null;
  }

  /** Resolves once permission is known to be given, so that nobody need be asked; never otherwise. */
  static async allowed() {
    const permission = await navigator.permissions?.query({ name: "microphone" }).catch(() => null);
    if (permission?.state === "granted") return;
    await new Promise(() => {});
  }

  /** Wait no longer for the browser's permission; should it still come, the microphone is closed at once. */
  giveUp() {
    this.wanted = false;
    this.stop();
  }

  /** Open the microphone `deviceId`, or the one used last. Throws `NoMicrophone`. */
  async start(deviceId = recall()) {
    this.wanted = true;
    if (!navigator.mediaDevices?.getUserMedia) throw new NoMicrophone(window.isSecureContext ? OTHERWISE : SENTENCES.insecure);
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: { ...WISHES, ...(deviceId && { deviceId: { ideal: deviceId } }) } });
      this.stop();
      this.stream = stream;
      if (!this.wanted) return this.stop();
      this.mute(this.muted);
      remember(this.track.getSettings().deviceId);
    } catch (error) {
      throw new NoMicrophone(SENTENCES[error.name] ?? OTHERWISE, { cause: error });
    }
  }

  mute(muted) {
    this.muted = muted;
    if (this.track) this.track.enabled = !muted;
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
  }
}

function recall() {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

function remember(deviceId) {
  try {
    if (deviceId) localStorage.setItem(KEY, deviceId);
  } catch {
    // storage may be blocked; the browser's usual microphone is used next time
  }
}
