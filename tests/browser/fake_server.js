// A server inside the page: speaks the signalling protocol and answers with a real peer connection, so that the page to talk on is
// tried without a media worker. `fakeServer.answers` says, join by join, how each connection goes: "talk", or {error}, or {close}.
(() => {
  const fake = (window.fakeServer = { answers: [], joins: [], received: [], sockets: [], session: 0 });
  const RealWebSocket = window.WebSocket;

  class FakeSocket extends EventTarget {
    constructor() {
      super();
      this.readyState = 0;
      this.silent = false;
      fake.sockets.push(this);
      setTimeout(() => {
        this.readyState = 1;
        this.dispatchEvent(new Event("open"));
      });
    }

    send(text) {
      const message = JSON.parse(text);
      if (message.type !== "ping") fake.received.push(message);
      if (this.silent) return;
      if (message.type === "ping") this.tell({ type: "pong" });
      if (message.type === "join") this.join(message);
      if (message.type === "offer") this.answer(message.sdp);
      if (message.type === "candidate" && message.candidate) this.peer?.addIceCandidate(message.candidate).catch(() => {});
    }

    join({ token }) {
      fake.joins.push(token);
      const how = fake.answers.shift() ?? "talk";
      if (how.close) this.drop(how.close);
      else if (how.error) this.tell({ type: "error", ...how.error });
      else this.tell({ type: "ready", session: `session-${++fake.session}`, token: "the-token", ice_servers: [] });
    }

    async answer(sdp) {
      const peer = (this.peer = new RTCPeerConnection());
      fake.offer = sdp;
      peer.ondatachannel = ({ channel }) => {
        this.channel = fake.channel = channel;
        channel.onmessage = ({ data }) => this.hear(JSON.parse(data));
      };
      await peer.setRemoteDescription({ type: "offer", sdp });
      for (const track of picture().getTracks()) peer.addTrack(track);
      await peer.setLocalDescription();
      if (peer.iceGatheringState !== "complete") {
        await new Promise((resolve) => (peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && resolve()));
      }
      this.tell({ type: "answer", sdp: peer.localDescription.sdp });
    }

    hear(message) {
      fake.received.push(message);
      if (message.type === "hello") fake.say({ type: "state", state: "listening" });
    }

    tell(message) {
      setTimeout(() => this.readyState === 1 && this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(message) })));
    }

    drop(code) {
      this.close();
      this.dispatchEvent(new CloseEvent("close", { code }));
    }

    close() {
      this.readyState = 3;
      this.peer?.close();
    }
  }

  fake.say = (message) => fake.channel.send(JSON.stringify(message));
  fake.drop = (code = 1006) => fake.sockets.at(-1).drop(code);
  fake.fallSilent = () => (fake.sockets.at(-1).silent = true);

  function picture() {
    const canvas = Object.assign(document.createElement("canvas"), { width: 512, height: 512 });
    const pen = canvas.getContext("2d");
    const poster = document.getElementById("poster");
    let n = 0;
    setInterval(() => {
      if (poster instanceof HTMLImageElement && poster.complete) pen.drawImage(poster, 0, 0, 512, 512);
      pen.fillStyle = `hsl(${n++ % 360} 80% 50%)`;
      pen.fillRect(500, 500, 8, 8);
    }, 40);
    const sound = new AudioContext().createMediaStreamDestination();
    return new MediaStream([...canvas.captureStream(25).getTracks(), ...sound.stream.getTracks()]);
  }

  window.WebSocket = class {
    constructor(url) {
      return String(url).includes("/ws/talk/") ? new FakeSocket() : new RealWebSocket(url);
    }
    static OPEN = 1;
  };
})();
