// Choosing the microphone and the loudspeaker.

/** Calls `onMicrophone(deviceId)` when another microphone is chosen; moves the sound of `video` by itself. */
export class Devices {
  constructor({ microphone, loudspeaker, loudspeakerField, words, video, onMicrophone }) {
    this.microphone = microphone;
    this.loudspeaker = loudspeaker;
    this.words = words;
    loudspeakerField.hidden = !("setSinkId" in HTMLMediaElement.prototype);
    microphone.addEventListener("change", () => onMicrophone(microphone.value));
    loudspeaker.addEventListener("change", async () => {
      try {
        await video.setSinkId(loudspeaker.value);
        this.say("");
      } catch {
        this.say("This loudspeaker cannot be used; the sound stays where it was.");
      }
    });
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.refresh());
  }

  say(sentence) {
    this.words.textContent = sentence;
  }

  /** Fill both lists. Names are only told by the browser once the microphone is allowed. */
  async refresh(track = this.track) {
    this.track = track;
    const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    const named = devices.filter((device) => device.deviceId && device.label);
    fill(this.microphone, named.filter((device) => device.kind === "audioinput"), track?.getSettings().deviceId, "No microphone in use");
    fill(this.loudspeaker, named.filter((device) => device.kind === "audiooutput"), this.loudspeaker.value, "The usual one");
    this.microphone.disabled = !track;
  }
}

function fill(select, devices, current, nothing) {
  const options = devices.map(({ deviceId, label }) => new Option(label, deviceId, false, deviceId === current));
  select.replaceChildren(...(options.length ? options : [new Option(nothing, "")]));
}
