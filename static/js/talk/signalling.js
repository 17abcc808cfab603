// The WebSocket by which browser and server arrange a call, kept honest by a ping every second.

const PING_MS = 1000;
const OPEN_LOST_MS = 6000; // a handshake that got lost is begun anew, where the system would wait for it ever longer
const UNANSWERED_PINGS_WEAK = 3;
const UNANSWERED_PINGS_LOST = 8; // a bad network holds TCP up for seconds while sound and picture still come

export const CLOSE = { FORBIDDEN: 4401, NOT_FOUND: 4404, TOO_MANY: 4429 };

/**
 * One signalling connection; a new one is made for each attempt.
 *
 * Fires "ready" (session, token, ice_servers, ice_policy, forwarded), "answer" (sdp), "offer" (sdp), "event" (event),
 * "error" (code, message, retry_after_s), "ended" (reason, message), each with the server's message as `detail`, "weak" ({weak}) when answers stop coming and when they come again, and "lost" ({code}) once, when
 * the connection goes without having been closed here.
 */
export class Signalling extends EventTarget {
  constructor(url, { token = null, slip = "", introduction = {}, pingMs = PING_MS } = {}) {
    super();
    this.open = true;
    this.unanswered = 0;
    this.socket = new WebSocket(url);
    this.opening = setTimeout(() => this.lose(0), OPEN_LOST_MS);
    this.socket.addEventListener("open", () => {
      clearTimeout(this.opening);
      this.send({ type: "join", token, slip, ...introduction });
      this.timer = setInterval(() => this.ping(), pingMs);
    });
    this.socket.addEventListener("message", (event) => this.receive(event.data));
    this.socket.addEventListener("close", (event) => this.lose(event.code));
  }

  offer(sdp) {
    this.send({ type: "offer", sdp });
  }

  /** Ask for an offer to watch. */
  watch() {
    this.send({ type: "watch" });
  }

  /** Where the data channel does not end at the server that holds the conversation. */
  hello() {
    this.send({ type: "hello" });
  }

  answer(sdp) {
    this.send({ type: "answer", sdp });
  }

  candidate(candidate) {
    this.send({ type: "candidate", candidate });
  }

  /** Say goodbye and close; nothing is fired afterwards. */
  leave() {
    this.send({ type: "leave" });
    this.close();
  }

  close() {
    this.open = false;
    clearInterval(this.timer);
    clearTimeout(this.opening);
    this.socket.close();
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  receive(text) {
    if (!this.open) return;
    const message = JSON.parse(text);
    if (message.type === "pong") {
      if (this.unanswered >= UNANSWERED_PINGS_WEAK) this.weaken(false);
      this.unanswered = 0;
    } else this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
  }

  ping() {
    // Counting pings rather than seconds: a laptop that slept has sent none, and is not to be called lost for that.
    if (this.unanswered >= UNANSWERED_PINGS_LOST) {
      this.lose(0);
      return;
    }
    if (this.unanswered === UNANSWERED_PINGS_WEAK) this.weaken(true);
    this.unanswered += 1;
    this.send({ type: "ping" });
  }

  weaken(weak) {
    this.dispatchEvent(new CustomEvent("weak", { detail: { weak } }));
  }

  lose(code) {
    if (!this.open) return;
    this.close();
    this.dispatchEvent(new CustomEvent("lost", { detail: { code } }));
  }
}
