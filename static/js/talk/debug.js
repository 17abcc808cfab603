// Measurements for whoever wants to know where the time goes.

const TURNS_SHOWN = 10;
const STEPS = [
  { name: "transcript", words: "wrote down your words", short: "Words" },
  { name: "turn_decided", words: "took your turn for over", short: "End" },
  { name: "first_token", words: "thought of the first words", short: "Thought" },
  { name: "first_audio", words: "had a voice for them", short: "Voice" },
  { name: "first_frame", words: "sent the first frame", short: "Frame" },
];
const TICKS_MS = [50, 100, 200, 500, 1000, 2000, 5000];
const MOST_TICKS = 5;

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
    const open = this.turns.querySelector("details")?.open ?? false;
    this.turns.replaceChildren(legend(), chart(this.measured), numbers(this.measured, open));
  }

  worker({ type: _, ...values }) {
    fill(this.workerList, Object.entries(values).map(([name, value]) => [name.replaceAll("_", " ").replace("kbit s", "kbit/s"), rounded(value)]));
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

/** The steps that a turn came to, in the order in which they happened. */
function reached(marks) {
  return STEPS.filter(({ name }) => Number.isFinite(marks[name])).sort((one, other) => marks[one.name] - marks[other.name]);
}

function legend() {
  return make("ul", { className: "steps" }, ...STEPS.map(({ name, words }) => dyed(make("li", {}, words), name)));
}

/** A row for each turn, to one scale. Each bar lasts from the step before to its own. */
function chart(measured) {
  const longest = Math.max(1, ...measured.flatMap(({ marks }) => reached(marks).map(({ name }) => marks[name])));
  const tick = TICKS_MS.find((ms) => longest / ms <= MOST_TICKS) ?? TICKS_MS.at(-1);
  const rows = measured.map(({ turn, marks }) => {
    let from = 0;
    const bars = reached(marks).map(({ name, words }) => {
      const bar = dyed(make("i", { title: `${words}: ${Math.round(marks[name])} ms` }), name);
      place(bar, from / longest, (marks[name] - from) / longest);
      from = marks[name];
      return bar;
    });
    return make("li", {}, make("span", {}, String(turn)), make("span", { className: "track" }, ...bars), make("b", {}, `${Math.round(from)} ms`));
  });
  const labels = Array.from({ length: Math.floor(longest / tick) }, (_, i) => {
    const label = make("span", {}, String((i + 1) * tick));
    place(label, ((i + 1) * tick) / longest, 0);
    return label;
  });
  const axis = make("li", { className: "axis" }, make("span"), make("span", { className: "track" }, ...labels), make("span", {}, "ms"));
  const list = make("ol", { className: "turn-bars" }, ...rows, axis);
  list.style.setProperty("--tick", (tick / longest).toFixed(4));
  // The same is told by the table, in words.
  list.setAttribute("aria-hidden", "true");
  return list;
}

function numbers(measured, open) {
  const head = make("tr", {}, ...["Turn", ...STEPS.map(({ short }) => short)].map((words) => make("th", { scope: "col" }, words)));
  const rows = measured.map(({ turn, marks }) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, String(turn)),
      ...STEPS.map(({ name }) => make("td", {}, Number.isFinite(marks[name]) ? String(Math.round(marks[name])) : "–")),
    ),
  );
  const table = make("table", {}, make("caption", {}, "Milliseconds after the end of your sentence"), make("thead", {}, head), make("tbody", {}, ...rows));
  return make("details", { open }, make("summary", {}, "In numbers"), table);
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function dyed(element, step) {
  element.dataset.step = step;
  return element;
}

function place(element, from, span) {
  element.style.setProperty("--from", from.toFixed(4));
  element.style.setProperty("--span", span.toFixed(4));
}

function fill(list, rows) {
  list.replaceChildren(...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

const rounded = (value) => (typeof value === "number" ? String(Math.round(value * 10) / 10) : String(value));
const ms = (seconds) => (Number.isFinite(seconds) ? `${Math.round(seconds * 1000)} ms` : "…");
const buffered = ({ jitterBufferDelay: delay, jitterBufferEmittedCount: count }) => ms(count ? delay / count : NaN);
