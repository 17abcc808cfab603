// What the results mean, in words. Knows nothing of the page.

/** Take a stun: or turn: address apart: {relays, host, port, protocol: "UDP" | "TCP" | "TLS"}. */
export function readUrl(url) {
  const [, scheme, host, port, transport] = url.match(/^(stuns?|turns?):(\[[^\]]+\]|[^:?]+)(?::(\d+))?(?:\?transport=(udp|tcp))?$/) ?? [];
  const encrypted = scheme?.endsWith("s") ?? false;
  return {
    relays: scheme?.startsWith("turn") ?? false,
    host: host ?? url,
    port: Number(port ?? (encrypted ? 5349 : 3478)),
    protocol: encrypted ? "TLS" : (transport ?? "udp").toUpperCase(),
  };
}

/** Which port to open for a server. */
export function opening({ host, port, protocol }) {
  return `${protocol === "UDP" ? "UDP" : "TCP"} port ${port} to ${host}`;
}

const CREDENTIALS = new Set([401, 403]);
const EXHAUSTED = new Set([486, 508]);
const refusedCredentials = (result) => (result.errors ?? []).some(({ code }) => CREDENTIALS.has(code));

/** A sentence about one TURN server's attempt. */
export function aboutRelay(url, result) {
  if (result.ok) return `It relays, and the media worker answers through it in ${result.roundTripMs} ms.`;
  if (result.stage === "connection") return "It answers and gives a relay, but between the relay and the media worker nothing gets through.";
  if (result.stage === "answer") return `It answers and gives a relay. ${result.message}`;
  if (refusedCredentials(result)) return "It answers and refuses the credentials.";
  if ((result.errors ?? []).some(({ code }) => EXHAUSTED.has(code))) return "It answers, but has no relay left to give.";
  return `It cannot be reached by ${url.protocol} at port ${url.port} from here.`;
}

/**
 * The whole in words: {state: "good" | "note" | "bad", title, words, todo: [sentence]}.
 *
 * results: {signalling: {ok}, microphone: {state}, direct, conversation (as of `tryConnection`),
 *           relays: [{url (as of `readUrl`), result}], policy, ports, addresses}
 */
export function verdict({ signalling, microphone, direct, conversation, relays, policy, ports, addresses }) {
  if (!signalling.ok) {
    return {
      state: "bad",
      title: "Conversations do not work from here",
      words: "This page came through, but the connection by which calls are arranged did not (a WebSocket at /ws/).",
      todo: [
        "If you are a visitor: another network, or switching off a proxy or VPN, may help.",
        "If you run this Parlo: the proxy before it must pass on WebSockets, and the name in the address bar must stand in ALLOWED_HOSTS.",
      ],
    };
  }
  if (conversation.stage === "answer") {
    return {
      state: "bad",
      title: "Nobody is there to talk to",
      words: conversation.message,
      todo: ["If you run this Parlo: look at its log, and run: manage.py doctor"],
    };
  }
  const todo = relays.filter(({ result }) => !result.ok).map(({ url, result }) => relayRemedy(url, result));
  if (!conversation.ok) {
    const reached = relays.some(({ result }) => result.ok);
    if (policy === "relay") todo.push("If you run this Parlo: everything goes through the relay because of ICE_POLICY=relay; ICE_POLICY=all allows the direct way.");
    else if (!direct.ok) todo.push(directRemedy({ ports, addresses, relays }));
    return {
      state: "bad",
      title: "Sound and picture do not get through",
      words: reached
        ? "A relay works by itself, yet a connection with everything together did not come about. Trying again may help."
        : policy === "relay"
          ? "They have to go through a relay (TURN server) here, and none can be used from this network."
          : relays.length
            ? "Neither the direct way to the media worker nor a relay works from this network."
            : "The direct way to the media worker is blocked on this network, and no relay (TURN server) is set up that could go round it.",
      todo: ["If you are a visitor: try another network, a telephone's for instance, or without a VPN.", ...todo],
    };
  }
  const way = conversation.route.relayed
    ? `Sound and picture go through a relay (${conversation.route.protocol}), there and back in ${conversation.roundTripMs} ms.`
    : `Sound and picture go straight to the media worker, there and back in ${conversation.roundTripMs} ms.`;
  if (microphone.state === "bad") {
    return { state: "note", title: "You can listen and type", words: `${way} The microphone is not to be had: ${microphone.words}`, todo };
  }
  if (todo.length) {
    return { state: "note", title: "Conversations work from here", words: `${way} Not every way works, which others may need:`, todo };
  }
  return { state: "good", title: "Conversations work from here", words: way, todo };
}

function relayRemedy(url, result) {
  const name = `TURN server ${url.host} over ${url.protocol}`;
  if (result.stage === "connection") return `${name}: let it pass packets on to the media worker (allowed-peer-ip in coturn), and let UDP through between the two.`;
  if (refusedCredentials(result)) return `${name}: its static-auth-secret and Parlo's TURN_SECRET must be the same, and both clocks right.`;
  if ((result.errors ?? []).some(({ code }) => EXHAUSTED.has(code))) return `${name}: give it more ports or higher quotas.`;
  return `${name}: open ${opening(url)}${url.protocol === "TLS" ? ", with a certificate that browsers trust" : ""}. If it is open, this network blocks it.`;
}

function directRemedy({ ports, addresses, relays }) {
  const where = addresses.length ? ` to ${addresses.join(" and ")}` : " to the media worker";
  const open = `open UDP ${ports ? `ports ${ports}` : "(fix the ports with MEDIA_PORTS)"}${where}`;
  return `If you run this Parlo: ${open}${relays.length ? "." : ", or set up a TURN server (docs/deploy.md, Media)."}`;
}
