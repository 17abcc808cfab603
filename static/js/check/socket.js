// The check's WebSocket: which servers there are, and a media worker's answers to offers.

const OPEN_MS = 6000;
const TOO_MANY = 4429;

export class CheckSocket {
  constructor(path) {
    const url = new URL(path, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    this.waiting = new Map();
    this.socket = new WebSocket(url);
    this.told = new Promise((resolve, reject) => {
      const fail = (words) => reject(new Error(words));
      setTimeout(() => fail("The server does not answer by WebSocket."), OPEN_MS);
      this.socket.addEventListener("close", ({ code }) =>
        fail(code === TOO_MANY ? "The check was run too often from here. Wait a minute." : "The WebSocket was refused or cut."),
      );
      this.socket.addEventListener("message", ({ data }) => {
        const message = JSON.parse(data);
        if (message.type === "servers") resolve(message);
        else if (message.type === "error" && !message.name) fail(message.message);
        else this.waiting.get(message.name)?.(message);
      });
    });
  }

  /** {ice_servers, ice_policy}; rejects with a sentence. */
  servers() {
    return this.told;
  }

  /** Let a media worker answer an offer: {sdp}, or {code, message}. */
  ask(name, sdp) {
    const answer = new Promise((resolve) => this.waiting.set(name, resolve));
    this.socket.send(JSON.stringify({ type: "probe", name, sdp }));
    return answer;
  }

  close() {
    this.socket.close();
  }
}
