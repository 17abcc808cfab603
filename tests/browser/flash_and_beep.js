// Watches and listens: when a square turned white, and when a beep left the loudspeaker.

import { Peer } from "./peer.js";

const video = document.getElementById("avatar-video");
const [flashes, beeps, gaps, playouts] = [[], [], [], []];
// The sound where the element takes it from the jitter buffer. A graph of Web Audio has a buffer of its own before it, which grows.
const listen = async (track) => {
  let [samples, quiet, late] = [0, 0, Infinity];
  const clocks = [];
  for await (const piece of new MediaStreamTrackProcessor({ track, maxBufferSize: 500 }).readable) {
    const { timestamp, sampleRate, numberOfFrames } = piece;
    const taken = timestamp / 1000;
    late = Math.min(late, performance.now() - taken);
    clocks.push(taken - (samples / sampleRate) * 1000);
    if (clocks.length > 300) clocks.shift();
    const wave = new Float32Array(numberOfFrames);
    piece.copyTo(wave, { planeIndex: 0, format: "f32-planar" });
    piece.close();
    for (let i = 0; i < numberOfFrames; i++) {
      if (Math.abs(wave[i]) < 0.1) quiet++;
      else {
        if (playout >= 0 && quiet > 0.2 * sampleRate) beeps.push({ ms: ((samples + i) / sampleRate) * 1000 + median(clocks) + late + playout });
        quiet = 0;
      }
    }
    samples += numberOfFrames;
  }
};
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
// From there to the loudspeaker, in milliseconds, as the browser knows it.
let playout = NaN;
let wayBefore = null;

let peer;
window.offer = async () => {
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  const microphone = await navigator.mediaDevices.getUserMedia({ audio });
  peer = new Peer();
  peer.addEventListener("stream", ({ detail }) => (video.srcObject = detail.stream));
  await peer.offer({ iceServers: [], icePolicy: "all", track: microphone.getAudioTracks()[0] });
  const { connection } = peer;
  while (connection.iceGatheringState !== "complete") await new Promise((done) => (connection.onicegatheringstatechange = done));
  return connection.localDescription.sdp;
};
window.answer = (sdp) => peer.answer(sdp);

window.watch = async () => {
  const pen = Object.assign(document.createElement("canvas"), { width: 4, height: 4 }).getContext("2d", { willReadFrequently: true });
  let lit = true;
  let before = null;
  const look = (_, shown) => {
    const ms = shown.expectedDisplayTime;
    pen.drawImage(video, 32, 32, 64, 64, 0, 0, 4, 4);
    const white = pen.getImageData(0, 0, 4, 4).data[21] > 128;
    const unseen = before ? shown.presentedFrames - before.presentedFrames - 1 : 0;
    // A flash that began while the page was not looking has no time.
    if (white && !lit && before && !unseen) flashes.push({ ms });
    if (before) gaps.push({ ms, gap: ms - before.expectedDisplayTime, unseen });
    lit = white;
    before = shown;
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);

  listen(video.srcObject.getAudioTracks()[0]);

  setInterval(async () => {
    const report = [...(await peer.connection.getStats()).values()];
    const of = (kind) => report.find((one) => one.type === "inbound-rtp" && one.kind === kind) ?? {};
    const [picture, sound] = [of("video"), of("audio")];
    const way = report.find(({ type }) => type === "media-playout");
    const since = (name) => way[name] - (wayBefore?.[name] ?? 0);
    playout = (1000 * since("totalPlayoutDelay")) / since("totalSamplesCount");
    wayBefore = way;
    playouts.push({ ms: performance.now(), lag: sound.estimatedPlayoutTimestamp - picture.estimatedPlayoutTimestamp });
    window.received = { picture, sound };
  }, 1000);
};

window.seen = () => ({ now: performance.now(), flashes, beeps, gaps, playouts, received: window.received ?? null });
