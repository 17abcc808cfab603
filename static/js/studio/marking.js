// Six points on a picture, for faces that nothing finds by itself. Left and right are as seen in the picture.

const POINTS = [
  { name: "left_eye", words: "Left eye", at: [0.38, 0.4], side: "start" },
  { name: "right_eye", words: "Right eye", at: [0.62, 0.4], side: "end" },
  { name: "mouth_left", words: "Left mouth corner", at: [0.4, 0.63], side: "start" },
  { name: "mouth_middle", words: "Middle of the mouth", at: [0.5, 0.64], side: "end", low: true },
  { name: "mouth_right", words: "Right mouth corner", at: [0.6, 0.63], side: "end" },
  { name: "chin", words: "Chin", at: [0.5, 0.78], side: "end" },
];
const OUTLINE = [["left_eye", "right_eye"], ["mouth_left", "mouth_middle", "mouth_right"], ["mouth_middle", "chin"]];
const LOUPE_SPAN = 0.14; // share of the picture's width that the loupe shows

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

export class FaceMarking {
  constructor(root, form, status) {
    this.root = root;
    this.form = form;
    this.status = status;
    this.picture = root.querySelector("img");
    this.outline = root.querySelector("[data-outline]");
    this.loupe = root.querySelector("canvas");
    this.handles = new Map(POINTS.map((point) => [point.name, this.handle(point)]));
    form.addEventListener("submit", () => (form.elements.points.value = JSON.stringify(this.pixels())));
    form.addEventListener("reset", (event) => {
      event.preventDefault();
      this.place(null);
      this.status.textContent = "All points are back where they started.";
    });
    this.picture.addEventListener("error", () => {
      this.status.classList.remove("visually-hidden");
      this.status.textContent = "Your picture could not be loaded. Reload the page; if that does not help, use another picture.";
    });
  }

  async open(url, points) {
    if (this.opened) return;
    this.opened = true;
    this.picture.src = url;
    await this.picture.decode();
    this.root.querySelector("svg").setAttribute("viewBox", "0 0 1 1");
    this.place(points);
  }

  // Points in pixels of the picture, or null for the places to start from.
  place(points) {
    const { naturalWidth: width, naturalHeight: height } = this.picture;
    for (const { name, at } of POINTS) {
      const given = points?.[name];
      this.move(name, given ? given[0] / width : at[0], given ? given[1] / height : at[1]);
    }
  }

  pixels() {
    const { naturalWidth: width, naturalHeight: height } = this.picture;
    const round = (value) => Math.round(value * 10) / 10;
    return Object.fromEntries([...this.handles].map(([name, handle]) => [name, [round(handle.x * width), round(handle.y * height)]]));
  }

  handle({ name, words, side }) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = `point label-${side}`;
    button.dataset.point = name;
    const label = document.createElement("span");
    label.textContent = words;
    button.append(label);
    this.root.append(button);
    const handle = { button, words, x: 0, y: 0 };
    button.addEventListener("pointerdown", (event) => this.grab(event, name));
    button.addEventListener("keydown", (event) => this.nudge(event, name));
    return handle;
  }

  grab(event, name) {
    event.preventDefault();
    const { button, x, y } = this.handles.get(name);
    button.focus();
    button.setPointerCapture(event.pointerId);
    const box = this.root.getBoundingClientRect();
    const from = { x: event.clientX, y: event.clientY };
    const drag = (moved) => {
      this.move(name, x + (moved.clientX - from.x) / box.width, y + (moved.clientY - from.y) / box.height);
      this.magnify(name);
    };
    const drop = () => {
      button.removeEventListener("pointermove", drag);
      this.loupe.hidden = true;
      this.say(name);
    };
    button.addEventListener("pointermove", drag);
    button.addEventListener("pointerup", drop, { once: true });
    button.addEventListener("pointercancel", drop, { once: true });
    this.magnify(name);
  }

  nudge(event, name) {
    const step = (event.shiftKey ? 12 : 2) / this.picture.clientWidth;
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[event.key];
    if (!way) return;
    event.preventDefault();
    const { x, y } = this.handles.get(name);
    this.move(name, x + way[0] * step, y + (way[1] * step * this.picture.clientWidth) / this.picture.clientHeight);
    this.say(name);
  }

  move(name, x, y) {
    const handle = this.handles.get(name);
    handle.x = clamp(x, 0, 1);
    handle.y = clamp(y, 0, 1);
    handle.button.style.left = `${handle.x * 100}%`;
    handle.button.style.top = `${handle.y * 100}%`;
    handle.button.setAttribute("aria-label", `${handle.words}. Arrow keys move it.`);
    const line = (names) => names.map((part, i) => `${i ? "L" : "M"}${this.handles.get(part).x} ${this.handles.get(part).y}`).join("");
    this.outline.setAttribute("d", OUTLINE.map(line).join(""));
  }

  say(name) {
    const { words, x, y } = this.handles.get(name);
    this.status.textContent = `${words}: ${Math.round(x * 100)} percent across, ${Math.round(y * 100)} percent down.`;
  }

  magnify(name) {
    const { x, y } = this.handles.get(name);
    const { naturalWidth: width, naturalHeight: height } = this.picture;
    const span = LOUPE_SPAN * width;
    const pen = this.loupe.getContext("2d");
    const size = this.loupe.width;
    this.loupe.hidden = false;
    this.loupe.classList.toggle("at-end", x < 0.45 && y < 0.5);
    pen.fillRect(0, 0, size, size);
    pen.drawImage(this.picture, x * width - span / 2, y * height - span / 2, span, span, 0, 0, size, size);
    pen.strokeStyle = "#fff";
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(size / 2, size / 2, 8, 0, 2 * Math.PI);
    pen.stroke();
  }
}
