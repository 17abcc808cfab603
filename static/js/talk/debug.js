// Measurements for whoever wants to know where the time goes.

const TURNS_SHOWN = 4;
const STEPS = [
  ["turn_decided", "noticed you finished"],
  ["transcript", "wrote down your words"],
  ["first_token", "began to think of words"],
  ["first_audio", "began to voice them"],
  ["first_frame", "first frame sent"],
];

export class Debug {
  constructor({ turns, connection, worker }) {
    this.turns = turns;
    this.connectionList = connection;
    this.workerList = worker;
    this.measured = [];
    this.before = null;
  }

  latency({ turn, marks }) {
    this.measured = [{ turn, marks }, ...this.measured.filter((other) => other.turn !== turn)].slice(0, TURNS_SHOWN);
    const longest = Math.max(1, ...this.measured.flatMap((one) => Object.values(one.marks)).filter(Number.isFinite));
    this.turns.replaceChildren(...this.measured.map((one) => waterfall(one, longest)));
  }

  worker({ type: _, ...values }) {
    fill(this.workerList, Object.entries(values).map(([name, value]) => [name.replaceAll("_", " "), rounded(value)]));
  }

  /** Read the browser's own figures of `connection` (RTCPeerConnection) once a second until it closes. */
  watch(connection) {
    clearInterval(this.timer);
    this.before = null;
    this.timer = setInterval(async () => {
      if (connection.connectionState === "closed") {
        clearInterval(this.timer);
        return;
      }
      fill(this.connectionList, this.figures(await connection.getStats()));
    }, 1000);
  }

  figures(report) {
    const all = [...report.values()];
    const inbound = (kind) => all.find((one) => one.type === "inbound-rtp" && one.kind === kind) ?? {};
    const [video, audio] = [inbound("video"), inbound("audio")];
    const transport = all.find((one) => one.type === "transport");
    const pair = report.get(transport?.selectedCandidatePairId) ?? {};
    const local = report.get(pair.localCandidateId)?.candidateType ?? "?";
    const remote = report.get(pair.remoteCandidateId)?.candidateType ?? "?";
    const now = { video, audio };
    const rate = (kind) => {
      const before = this.before?.[kind];
      if (!before?.timestamp || !(now[kind].timestamp > before.timestamp)) return "…";
      return `${Math.round((8 * (now[kind].bytesReceived - before.bytesReceived)) / (now[kind].timestamp - before.timestamp))} kbit/s`;
    };
    const rows = [
      ["picture", `${video.frameWidth ?? "?"} × ${video.frameHeight ?? "?"}, ${report.get(video.codecId)?.mimeType?.slice(6) ?? "?"}`],
      ["frames", `${rounded(video.framesPerSecond ?? 0)} fps, ${video.framesDropped ?? 0} dropped, ${video.freezeCount ?? 0} freezes`],
      ["bit rate", `picture ${rate("video")}, sound ${rate("audio")}`],
      ["jitter", `picture ${ms(video.jitter)}, sound ${ms(audio.jitter)}`],
      ["waits in buffer", `picture ${buffered(video)}, sound ${buffered(audio)}`],
      ["round trip", ms(pair.currentRoundTripTime)],
      ["lost packets", `picture ${video.packetsLost ?? 0}, sound ${audio.packetsLost ?? 0}`],
      ["path", `${local} to ${remote}`],
    ];
    this.before = now;
    return rows;
  }
}

function waterfall({ turn, marks }, longest) {
  const block = document.createElement("div");
  block.className = "turn";
  const reached = STEPS.filter(([name]) => Number.isFinite(marks[name]));
  const head = document.createElement("p");
  head.className = "turn-head";
  head.append(`Turn ${turn}`, Object.assign(document.createElement("b"), { textContent: `${Math.round(marks[reached.at(-1)?.[0]] || 0)} ms` }));
  const list = document.createElement("ol");
  let from = 0;
  for (const [name, words] of reached) {
    const to = marks[name];
    const step = document.createElement("li");
    step.dataset.step = name;
    const bar = document.createElement("i");
    bar.style.setProperty("--from", (Math.min(from, to) / longest).toFixed(4));
    bar.style.setProperty("--span", (Math.abs(to - from) / longest).toFixed(4));
    step.append(Object.assign(document.createElement("span"), { textContent: words }), bar, `${Math.round(to)} ms`);
    list.append(step);
    from = to;
  }
  block.append(head, list);
  return block;
}

function fill(list, rows) {
  list.replaceChildren(
    ...rows.flatMap(([name, value]) => [
      Object.assign(document.createElement("dt"), { textContent: name }),
      Object.assign(document.createElement("dd"), { textContent: value }),
    ]),
  );
}

const rounded = (value) => (typeof value === "number" ? String(Math.round(value * 10) / 10) : String(value));
const ms = (seconds) => (Number.isFinite(seconds) ? `${Math.round(seconds * 1000)} ms` : "…");
const buffered = ({ jitterBufferDelay: delay, jitterBufferEmittedCount: count }) => ms(count ? delay / count : NaN);
