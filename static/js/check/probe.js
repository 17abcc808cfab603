// One attempt at a connection to a media worker, over the ways that are to be tried; and the addresses that a browser finds for itself.

const GATHER_MS = 6000;
const SETTLE_MS = 400; // after the first useful address others may follow at once
const ANSWER_MS = 8000;
const CONNECT_MS = 9000;
const ECHOES = 5;

const within = (promise, ms, otherwise) =>
  Promise.race([promise, new Promise((resolve) => setTimeout(() => resolve(otherwise), ms))]);

/** Collect addresses until `wanted(candidates)` holds, all are there, or the time is over: {candidates, errors: [{url, code, text}], complete}. */
async function gather(connection, wanted) {
  const candidates = [];
  const errors = [];
  const done = new Promise((resolve) => {
    connection.addEventListener("icecandidate", ({ candidate }) => {
      if (!candidate) return resolve(true);
      if (candidate.candidate) candidates.push(candidate);
      if (wanted(candidates)) setTimeout(resolve, SETTLE_MS, false);
    });
    connection.addEventListener("icecandidateerror", ({ url, errorCode, errorText }) => errors.push({ url, code: errorCode, text: errorText }));
  });
  connection.channel = connection.createDataChannel("check");
  await connection.setLocalDescription(await connection.createOffer());
  const complete = await within(done, GATHER_MS, false);
  return { candidates, errors, complete };
}

/** The outside address that a STUN server tells: {address}, null where it does not. */
export async function askStun(server) {
  const connection = new RTCPeerConnection({ iceServers: [server] });
  try {
    const outside = (candidates) => candidates.find(({ type }) => type === "srflx");
    const { candidates, errors, complete } = await gather(connection, outside);
    // Where the browser's own address is the outside one it leaves the second mention out, and reports no error.
    const own = complete && !errors.length ? candidates.find(({ type, address }) => type === "host" && !address?.endsWith(".local")) : null;
    return { address: (outside(candidates) ?? own)?.address ?? null };
  } finally {
    connection.close();
  }
}

/**
 * Connect to a media worker by these servers and this policy, and send a message there and back.
 *
 * `ask(sdp)` resolves with the worker's {sdp}, or with {code, message}. Resolves with {ok, roundTripMs, route}, or with
 * {ok: false, stage: "addresses" | "answer" | "connection", errors, message}.
 */
export async function tryConnection({ iceServers, policy }, ask) {
  const connection = new RTCPeerConnection({ iceServers, iceTransportPolicy: policy });
  try {
    const { candidates, errors } = await gather(connection, (found) => found.some(({ type }) => type === "relay"));
    if (!candidates.length) return { ok: false, stage: "addresses", errors };
    const answer = await within(ask(connection.localDescription.sdp), ANSWER_MS, { code: "silent", message: "The media worker did not answer in time." });
    if (!answer.sdp) return { ok: false, stage: "answer", errors, ...answer };
    const opened = new Promise((resolve) => connection.channel.addEventListener("open", () => resolve(true)));
    await connection.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    if (!(await within(opened, CONNECT_MS, false))) return { ok: false, stage: "connection", errors };
    const roundTripMs = await echo(connection.channel);
    if (roundTripMs === null) return { ok: false, stage: "connection", errors };
    return { ok: true, errors, roundTripMs, route: await routeOf(connection) };
  } finally {
    connection.close();
  }
}

async function echo(channel) {
  const times = [];
  for (let i = 0; i < ECHOES; i += 1) {
    const sent = performance.now();
    const back = new Promise((resolve) => channel.addEventListener("message", () => resolve(performance.now() - sent), { once: true }));
    channel.send(String(i));
    const tookMs = await within(back, 2000, null);
    if (tookMs !== null) times.push(tookMs);
  }
  return times.length ? Math.round(times.sort((a, b) => a - b)[times.length >> 1]) : null;
}

/** Which way it goes: {relayed, protocol, local, remote}. */
async function routeOf(connection) {
  const report = await connection.getStats();
  const all = [...report.values()];
  const chosen = all.find(({ type }) => type === "transport")?.selectedCandidatePairId;
  const pair = report.get(chosen) ?? all.find(({ type, nominated, state }) => type === "candidate-pair" && nominated && state === "succeeded");
  const local = report.get(pair?.localCandidateId) ?? {};
  const remote = report.get(pair?.remoteCandidateId) ?? {};
  const relayed = local.candidateType === "relay" || remote.candidateType === "relay";
  const place = ({ address, port }) => (address ? `${address}:${port}` : "");
  return { relayed, protocol: (local.relayProtocol ?? local.protocol ?? "udp").toUpperCase(), local: place(local), remote: place(remote) };
}
