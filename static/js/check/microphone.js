// Whether there is a microphone to be had, and whether it hears anything. Results: {state: "good" | "note" | "bad", words, canTry}.

const LISTEN_MS = 3000;
const SILENCE = 0.01; // peak, of 1; a room without speech stays below

const SENTENCES = {
  NotAllowedError: "it is not allowed for this site. Allow it beside the address bar.",
  NotFoundError: "there is none. Plug one in.",
  NotReadableError: "another program holds it. Close that program.",
};

export async function microphoneState() {
  if (!window.isSecureContext) {
    return {
      state: "bad",
      words: "this page was opened by plain http, and browsers give the microphone only to https and to this same machine. Open it by an https address.",
    };
  }
  if (!navigator.mediaDevices?.getUserMedia) return { state: "bad", words: "this browser has none to give." };
  const permission = await navigator.permissions?.query({ name: "microphone" }).catch(() => null);
  if (permission?.state === "denied") return { state: "bad", words: SENTENCES.NotAllowedError };
  const devices = await navigator.mediaDevices.enumerateDevices();
  if (!devices.some(({ kind }) => kind === "audioinput")) return { state: "bad", words: SENTENCES.NotFoundError };
  const allowed = permission?.state === "granted";
  return { state: "good", words: allowed ? "There is one, and this site may use it." : "There is one; the browser will ask before it is used.", canTry: true };
}

/** Open it and listen for a moment. */
export async function tryMicrophone() {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    return { state: "bad", words: `It did not start: ${SENTENCES[error.name] ?? "the browser does not say why."}` };
  }
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let peak = 0;
  const until = performance.now() + LISTEN_MS;
  while (performance.now() < until && peak < 10 * SILENCE) {
    analyser.getFloatTimeDomainData(samples);
    peak = samples.reduce((most, x) => Math.max(most, Math.abs(x)), peak);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  const [track] = stream.getAudioTracks();
  const name = track.label || "The microphone";
  for (const one of stream.getTracks()) one.stop();
  await context.close();
  if (peak < SILENCE) return { state: "note", words: `${name} starts, but it hears nothing. Is it muted, or is it another one that you speak into?` };
  return { state: "good", words: `${name} hears you.` };
}
