// Six points on a picture, for faces that nothing finds by itself, with the mesh that is bent to them and a sketch of the
// face speaking, which the builder draws. Left and right are as seen in the picture.

import { thinPlate } from "./thinplate.js";
import { Viewport } from "./viewport.js";

const POINTS = [
  { name: "left_eye", words: "Left eye", at: [0.38, 0.4], side: "start" },
  { name: "right_eye", words: "Right eye", at: [0.62, 0.4], side: "end" },
  { name: "mouth_left", words: "Left mouth corner", at: [0.4, 0.63], side: "start" },
  { name: "mouth_middle", words: "Middle of the mouth", at: [0.5, 0.64], side: "below" },
  { name: "mouth_right", words: "Right mouth corner", at: [0.6, 0.63], side: "end" },
  { name: "chin", words: "Chin", at: [0.5, 0.78], side: "end" },
];
// Where the six stand on the mesh: each the mean of some of its points, in the order of POINTS.
const ANCHORS = [[33, 133], [263, 362], [61], [13, 14], [291], [152]];
const LOUPE_PX = 224;
const LOUPE_ZOOM = 2.5; // of what is on the screen
const NUDGES_MS = 700; // presses closer together are undone together
const SKETCH_AFTER_MS = 160;
const SKETCH_LATE_MS = 6000;
const ROOM = 0.45; // about a face that is zoomed to, in its own sizes

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const mean = (points) => [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);

export class FaceMarking {
  // ask(question) hands a question to the builder and tells whether it could be sent; answers come to sketched().
  constructor(panel, ask) {
    this.ask = ask;
    this.root = panel.querySelector("[data-marking]");
    this.form = panel.querySelector("[data-points-form]");
    this.status = panel.querySelector("[data-marking-status]");
    this.picture = this.root.querySelector("img");
    this.drawing = this.root.querySelector("svg");
    this.loupe = this.root.querySelector("canvas");
    this.loupe.width = this.loupe.height = LOUPE_PX;
    this.sketches = panel.querySelector("[data-sketches]");
    this.kind = this.form.elements.kind;
    this.history = [];
    this.future = [];
    this.number = 0;
    this.view = new Viewport(this.root, this.root.querySelector("[data-plane]"), () => this.handles && this.draw());
    this.handles = new Map(POINTS.map((point) => [point.name, this.handle(point)]));
    this.tools = new Map([...panel.querySelectorAll("[data-do]")].map((button) => [button.dataset.do, button]));
    const work = {
      undo: () => this.travel(this.history, this.future, "Undone."),
      redo: () => this.travel(this.future, this.history, "Done again."),
      in: () => this.view.in(),
      out: () => this.view.out(),
      fit: () => this.view.fit(),
      reset: () => this.reset(),
    };
    for (const [name, button] of this.tools) button.addEventListener("click", work[name]);
    panel.addEventListener("keydown", (event) => {
      if (!(event.ctrlKey || event.metaKey) || !["z", "y"].includes(event.key.toLowerCase())) return;
      event.preventDefault();
      (event.shiftKey || event.key.toLowerCase() === "y" ? work.redo : work.undo)();
    });
    this.kind.addEventListener("change", () => this.wantSketch());
    this.form.addEventListener("submit", () => (this.form.elements.points.value = JSON.stringify(this.pixels())));
    this.picture.addEventListener("error", () => {
      this.status.classList.remove("visually-hidden");
      this.status.textContent = "Your picture could not be loaded. Reload the page; if that does not help, use another picture.";
    });
  }

  // Shows the picture at url; points in its pixels, or null for the places to start from.
  async open(url, points, kind) {
    if (this.opened) return;
    this.opened = true;
    if (kind) this.kind.value = kind;
    this.form.elements.still_eyes.checked = Boolean(points?.still_eyes);
    this.picture.src = url;
    this.loadMesh();
    await this.picture.decode();
    const { naturalWidth: width, naturalHeight: height } = this.picture;
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.drawing.setAttribute("width", width);
    this.drawing.setAttribute("height", height);
    this.start = Object.fromEntries(
      POINTS.map(({ name, at }) => [name, points?.[name] ? [points[name][0] / width, points[name][1] / height] : at]),
    );
    this.view.fit(width, height);
    this.set(this.start);
    if (points) this.showFace();
    this.wantSketch();
  }

  async loadMesh() {
    const answer = await fetch(this.drawing.dataset.mesh);
    if (!answer.ok) return;
    this.mesh = await answer.json();
    this.anchors = ANCHORS.map((ids) => mean(ids.map((id) => this.mesh.points[id])));
    if (this.start) this.draw();
  }

  showFace() {
    const { naturalWidth: width, naturalHeight: height } = this.picture;
    const xs = [...this.handles.values()].map(({ x }) => x * width);
    const ys = [...this.handles.values()].map(({ y }) => y * height);
    const room = ROOM * Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
    this.view.show(Math.min(...xs) - room, Math.min(...ys) - room, Math.max(...xs) + room, Math.max(...ys) + room);
  }

  set(points) {
    for (const [name, [x, y]] of Object.entries(points)) Object.assign(this.handles.get(name), { x, y });
    this.draw();
  }

  get() {
    return Object.fromEntries([...this.handles].map(([name, { x, y }]) => [name, [x, y]]));
  }

  pixels() {
    const { naturalWidth: width, naturalHeight: height } = this.picture;
    const round = (value, most) => clamp(Math.round(value * most * 10) / 10, 0, most - 1);
    return Object.fromEntries([...this.handles].map(([name, { x, y }]) => [name, [round(x, width), round(y, height)]]));
  }

  handle({ name, words, side }) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = `point label-${side}`;
    button.dataset.point = name;
    button.setAttribute("aria-label", `${words}. Arrow keys move it.`);
    const label = document.createElement("span");
    label.textContent = words;
    button.append(label);
    this.root.append(button);
    button.addEventListener("pointerdown", (event) => this.grab(event, name));
    button.addEventListener("keydown", (event) => this.nudge(event, name));
    return { button, words, x: 0, y: 0 };
  }

  // Remembers how things were before a change; what was undone is then gone.
  remember(before) {
    this.history.push(before);
    this.future.length = 0;
  }

  travel(from, to, words) {
    if (!from.length) return;
    to.push(this.get());
    this.set(from.pop());
    this.status.textContent = words;
    this.wantSketch();
  }

  reset() {
    this.remember(this.get());
    this.set(this.start);
    this.status.textContent = "All points are back where they started.";
    this.wantSketch();
  }

  grab(event, name) {
    event.preventDefault();
    const handle = this.handles.get(name);
    const before = this.get();
    const { button, x, y } = handle;
    button.focus({ preventScroll: true });
    button.setPointerCapture(event.pointerId);
    const { scale } = this.view;
    const drag = (moved) => {
      this.move(name, x + (moved.clientX - event.clientX) / scale / this.view.width, y + (moved.clientY - event.clientY) / scale / this.view.height);
      this.magnify(name);
    };
    const drop = () => {
      for (const kind of ["pointerup", "pointercancel"]) button.removeEventListener(kind, drop);
      button.removeEventListener("pointermove", drag);
      this.loupe.hidden = true;
      if (handle.x === x && handle.y === y) return;
      this.remember(before);
      this.said(name);
    };
    button.addEventListener("pointermove", drag);
    for (const kind of ["pointerup", "pointercancel"]) button.addEventListener(kind, drop);
    this.magnify(name);
  }

  nudge(event, name) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    const now = performance.now();
    if (this.nudged?.name !== name || now - this.nudged.at > NUDGES_MS) this.remember(this.get());
    this.nudged = { name, at: now };
    // In pixels of the screen, so that zooming in makes the steps finer.
    const step = (event.shiftKey ? 12 : 2) / this.view.scale;
    const { x, y } = this.handles.get(name);
    this.move(name, x + (way[0] * step) / this.view.width, y + (way[1] * step) / this.view.height);
    this.said(name);
  }

  move(name, x, y) {
    Object.assign(this.handles.get(name), { x: clamp(x, 0, 1), y: clamp(y, 0, 1) });
    this.draw();
    this.wantSketch();
  }

  said(name) {
    const { words, x, y } = this.handles.get(name);
    this.status.textContent = `${words}: ${Math.round(x * 100)} percent across, ${Math.round(y * 100)} percent down.`;
  }

  draw() {
    for (const { button, x, y } of this.handles.values()) {
      const at = this.view.place(x, y);
      button.style.left = `${at.x}px`;
      button.style.top = `${at.y}px`;
      button.classList.toggle("beyond", at.x < 0 || at.y < 0 || at.x > this.root.clientWidth || at.y > this.root.clientHeight);
    }
    for (const [name, list] of [["undo", this.history], ["redo", this.future]]) this.tools?.get(name)?.toggleAttribute("disabled", !list.length);
    this.drawMesh();
  }

  drawMesh() {
    if (!this.mesh || !this.start) return;
    const { naturalWidth: width, naturalHeight: height } = this.picture;
    const bend = thinPlate(this.anchors, [...this.handles.values()].map(({ x, y }) => [x * width, y * height]));
    if (!bend) return;
    const points = this.mesh.points.map((point) => bend(point).map((value) => value.toFixed(1)).join(" "));
    const [mesh, contours] = this.drawing.querySelectorAll("path");
    mesh.setAttribute("d", this.mesh.edges.map(([from, to]) => `M${points[from]}L${points[to]}`).join(""));
    contours.setAttribute("d", this.mesh.contours.map((ids) => `M${ids.map((id) => points[id]).join("L")}`).join(""));
  }

  magnify(name) {
    const { x, y } = this.handles.get(name);
    const { naturalWidth: width, naturalHeight: height } = this.picture;
    const span = this.loupe.clientWidth / this.view.scale / LOUPE_ZOOM || width * 0.1;
    const pen = this.loupe.getContext("2d");
    this.loupe.hidden = false;
    const at = this.view.place(x, y);
    this.loupe.classList.toggle("at-end", at.x < this.root.clientWidth / 2);
    pen.fillStyle = "#d9d4cc";
    pen.fillRect(0, 0, LOUPE_PX, LOUPE_PX);
    pen.drawImage(this.picture, x * width - span / 2, y * height - span / 2, span, span, 0, 0, LOUPE_PX, LOUPE_PX);
    pen.strokeStyle = "#fff";
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(LOUPE_PX / 2, LOUPE_PX / 2, 8, 0, 2 * Math.PI);
    pen.stroke();
  }

  // One question is under way at a time; what has changed meanwhile is asked when its answer is there.
  wantSketch() {
    this.wanted = true;
    clearTimeout(this.waits);
    this.waits = setTimeout(() => this.askNow(), SKETCH_AFTER_MS);
  }

  askNow() {
    if (!this.start || this.asked || !this.wanted) return;
    this.wanted = false;
    this.number += 1;
    if (!this.ask({ type: "sketch", number: this.number, points: this.pixels(), kind: this.kind.value })) {
      this.tell("The preview waits for the connection.");
      this.wanted = true;
      return;
    }
    this.sketches.setAttribute("aria-busy", "true");
    this.asked = setTimeout(() => {
      this.asked = null;
      this.tell("The preview is late: the builder is busy, or not running. You can build all the same.");
      this.askNow();
    }, SKETCH_LATE_MS);
  }

  sketched({ number, error, a, m }) {
    if (number !== this.number) return;
    clearTimeout(this.asked);
    this.asked = null;
    this.sketches.removeAttribute("aria-busy");
    this.tell(error);
    for (const [name, data] of [["a", a], ["m", m]]) {
      if (data) this.sketches.querySelector(`[data-sketch="${name}"]`).src = `data:image/jpeg;base64,${data}`;
    }
    this.sketches.classList.toggle("drawn", Boolean(this.sketches.querySelector("[data-sketch]").src));
    this.askNow();
  }

  connected() {
    if (this.opened) this.wantSketch();
  }

  tell(sentence) {
    const words = this.sketches.querySelector("[data-sketch-status]");
    if (words.textContent !== sentence) words.textContent = sentence;
  }
}
