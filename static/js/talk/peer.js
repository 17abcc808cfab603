// The WebRTC connection: microphone up, picture and voice down, one data channel.

const DISCONNECTED_LOST_MS = 2000;
const CONNECT_LOST_MS = 12000;
// Sound begins with a buffer about so long. Pictures that are shown at once are so much ahead of it, and the browser takes 20 s to see to that.
const PICTURE_BUFFER_MS = 80;
// What Janus, which passes the avatar on to many who watch, calls the channel on which it tells everybody.
const FORWARDED_CHANNEL = "JanusDataChannel";

/**
 * One peer connection; a new one is made for each attempt, since the server knows no ICE restart.
 *
 * Either the page makes the offer, or, where a server passes the avatar on to many who watch, it answers one; then nothing is sent,
 * and nobody hears what is said over the data channel.
 *
 * Fires "stream" ({stream}), "candidate" ({candidate}), "open" when the data channel opens, "message" (the parsed message as `detail`),
 * and "lost" ({reason: "network"|"never-connected"|"channel"}) once.
 */
export class Peer extends EventTarget {
  constructor() {
    super();
    this.live = true;
    this.connected = false;
    this.connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.stream = new MediaStream();
    this.connection.addEventListener("track", ({ track, receiver }) => {
      if (track.kind === "video" && "jitterBufferTarget" in receiver) receiver.jitterBufferTarget = PICTURE_BUFFER_MS;
      this.stream.addTrack(track);
      this.fire("stream", { stream: this.stream });
    });
    this.connection.addEventListener("icecandidate", ({ candidate }) => this.fire("candidate", { candidate: candidate?.toJSON() ?? null }));
    this.connection.addEventListener("connectionstatechange", () => this.watch(this.connection.connectionState));
    this.connection.addEventListener("iceconnectionstatechange", () => this.watch(this.connection.iceConnectionState));
  }

  /** Make the offer. `track` is the microphone's, or null for a visitor who only listens and types. */
  async offer({ iceServers, icePolicy, track }) {
    this.connection.setConfiguration({ bundlePolicy: "max-bundle", iceServers, iceTransportPolicy: icePolicy });
    this.audio = this.connection.addTransceiver("audio", { direction: "recvonly" });
    preferH264(this.connection.addTransceiver("video", { direction: "recvonly" }));
    this.openChannel("parlo");
    if (track) {
      this.audio.direction = "sendrecv";
      await this.audio.sender.replaceTrack(track);
    }
    return this.describe();
  }

  /** Answer the offer of a server that passes the avatar on. */
  async answerTo({ iceServers, icePolicy, sdp }) {
    this.connection.setConfiguration({ bundlePolicy: "max-bundle", iceServers, iceTransportPolicy: icePolicy });
    this.openChannel(FORWARDED_CHANNEL);
    await this.connection.setRemoteDescription({ type: "offer", sdp });
    return this.describe();
  }

  openChannel(label) {
    const pieces = new Pieces();
    this.channel = this.connection.createDataChannel(label, { ordered: true });
    this.channel.binaryType = "arraybuffer";
    this.channel.addEventListener("open", () => this.fire("open"));
    this.channel.addEventListener("message", ({ data }) => {
      // Janus sends the bytes of a text, whatever it was told.
      const message = pieces.take(JSON.parse(typeof data === "string" ? data : new TextDecoder().decode(data)));
      if (message) this.fire("message", message);
    });
    this.channel.addEventListener("close", () => this.lose("channel"));
  }

  async describe() {
    await this.connection.setLocalDescription();
    this.deadline = setTimeout(() => this.lose("never-connected"), CONNECT_LOST_MS);
    return this.connection.localDescription.sdp;
  }

  async answer(sdp) {
    await this.connection.setRemoteDescription({ type: "answer", sdp });
  }

  async speakWith(track) {
    await this.audio?.sender.replaceTrack(track);
  }

  send(message) {
    if (this.channel?.readyState !== "open") return false;
    this.channel.send(JSON.stringify(message));
    return true;
  }

  watch(state) {
    clearTimeout(this.fading);
    if (state === "connected" || state === "completed") {
      this.connected = true;
      clearTimeout(this.deadline);
    } else if (state === "failed") {
      this.lose(this.connected ? "network" : "never-connected");
    } else if (state === "disconnected") {
      this.fading = setTimeout(() => this.lose("network"), DISCONNECTED_LOST_MS);
    }
  }

  close() {
    this.live = false;
    clearTimeout(this.fading);
    clearTimeout(this.deadline);
    this.connection.close();
  }

  lose(reason) {
    if (!this.live) return;
    this.close();
    this.dispatchEvent(new CustomEvent("lost", { detail: { reason } }));
  }

  fire(type, detail) {
    if (this.live) this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** What is told to everybody at once comes in datagrams, and what is too long for one in several. */
class Pieces {
  parts = [];

  /** The whole message, or null as long as there is more to come. */
  take(message) {
    if (message.type !== "piece") return message;
    if (message.number === 0) this.parts = [];
    // Who came in the middle of a message does without it.
    if (message.number !== this.parts.length) return null;
    this.parts.push(message.text);
    return this.parts.length === message.of ? JSON.parse(this.parts.join("")) : null;
  }
}

// H264 costs the server less than half of what VP8 costs; constrained baseline is what it makes.
function preferH264(transceiver) {
  const codecs = RTCRtpReceiver.getCapabilities?.("video")?.codecs;
  if (!codecs || !transceiver.setCodecPreferences) return;
  const rank = ({ mimeType, sdpFmtpLine = "" }) => {
    if (mimeType !== "video/H264") return 2;
    return sdpFmtpLine.includes("profile-level-id=42e0") && sdpFmtpLine.includes("packetization-mode=1") ? 0 : 1;
  };
  transceiver.setCodecPreferences([...codecs].sort((one, other) => rank(one) - rank(other)));
}
