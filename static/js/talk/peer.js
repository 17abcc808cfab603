// The WebRTC connection: microphone up, picture and voice down, one data channel.

const DISCONNECTED_LOST_MS = 2000;
const CONNECT_LOST_MS = 12000;
// Sound begins with a buffer about so long. Pictures that are shown at once are so much ahead of it, and the browser takes 20 s to see to that.
const PICTURE_BUFFER_MS = 80;

/**
 * One peer connection; a new one is made for each attempt, since the server knows no ICE restart.
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
    this.audio = this.connection.addTransceiver("audio", { direction: "recvonly" });
    this.video = this.connection.addTransceiver("video", { direction: "recvonly" });
    preferH264(this.video);
    if ("jitterBufferTarget" in RTCRtpReceiver.prototype) this.video.receiver.jitterBufferTarget = PICTURE_BUFFER_MS;
    this.channel = this.connection.createDataChannel("parlo", { ordered: true });
    this.channel.addEventListener("open", () => this.fire("open"));
    this.channel.addEventListener("message", (event) => this.fire("message", JSON.parse(event.data)));
    this.channel.addEventListener("close", () => this.lose("channel"));
    this.connection.addEventListener("track", ({ track }) => {
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
    if (track) {
      this.audio.direction = "sendrecv";
      await this.audio.sender.replaceTrack(track);
    }
    await this.connection.setLocalDescription(await this.connection.createOffer());
    this.deadline = setTimeout(() => this.lose("never-connected"), CONNECT_LOST_MS);
    return this.connection.localDescription.sdp;
  }

  async answer(sdp) {
    await this.connection.setRemoteDescription({ type: "answer", sdp });
  }

  async speakWith(track) {
    await this.audio.sender.replaceTrack(track);
  }

  send(message) {
    if (this.channel.readyState !== "open") return false;
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
