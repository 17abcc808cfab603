// A picture one can zoom into and move about: with buttons, wheel, fingers and keys. Tells where its points are on the screen.

const MOST = 10;
const STEP = 1.5;
const PAN_PX = 40;

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

export class Viewport {
  // root holds plane, plane holds the picture in its own pixels; changed() is called after every move.
  constructor(root, plane, changed) {
    Object.assign(this, { root, plane, changed, zoom: 1, x: 0.5, y: 0.5, width: 1, height: 1 });
    this.pointers = new Map();
    root.addEventListener("pointerdown", (event) => this.down(event));
    root.addEventListener("pointermove", (event) => this.moved(event));
    for (const kind of ["pointerup", "pointercancel"]) root.addEventListener(kind, (event) => this.pointers.delete(event.pointerId));
    root.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    root.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(root);
  }

  // The picture's size in pixels; shows all of it.
  fit(width = this.width, height = this.height) {
    Object.assign(this, { width, height, zoom: 1, x: 0.5, y: 0.5 });
    this.root.style.aspectRatio = `${width} / ${height}`;
    this.draw();
  }

  // Shows a box of the picture, in its pixels, with some room around it.
  show(left, top, right, bottom) {
    this.zoom = 1;
    const scale = Math.min(this.root.clientWidth / (right - left), this.root.clientHeight / (bottom - top));
    this.zoom = clamp(scale / this.scale, 1, MOST);
    this.x = (left + right) / 2 / this.width;
    this.y = (top + bottom) / 2 / this.height;
    this.draw();
  }

  // Screen pixels per pixel of the picture.
  get scale() {
    return this.zoom * Math.min(this.root.clientWidth / this.width, this.root.clientHeight / this.height);
  }

  get origin() {
    const { scale } = this;
    return { x: this.root.clientWidth / 2 - this.x * this.width * scale, y: this.root.clientHeight / 2 - this.y * this.height * scale };
  }

  // Where a point of the picture, 0 to 1 each way, is within root, in screen pixels.
  place(x, y) {
    const { origin, scale } = this;
    return { x: origin.x + x * this.width * scale, y: origin.y + y * this.height * scale };
  }

  draw() {
    const half = 0.5 / this.zoom;
    this.x = clamp(this.x, half, 1 - half);
    this.y = clamp(this.y, half, 1 - half);
    const { origin, scale } = this;
    this.plane.style.transform = `translate(${origin.x}px, ${origin.y}px) scale(${scale})`;
    this.root.classList.toggle("zoomed", this.zoom > 1);
    this.changed();
  }

  // Zooms by a factor; what is at (x, y) of the screen, within root, stays there.
  by(factor, x = this.root.clientWidth / 2, y = this.root.clientHeight / 2) {
    const before = this.scale;
    const { origin } = this;
    this.zoom = clamp(this.zoom * factor, 1, MOST);
    const after = this.scale;
    const at = { x: (x - origin.x) / before, y: (y - origin.y) / before };
    this.x = (at.x + (this.root.clientWidth / 2 - x) / after) / this.width;
    this.y = (at.y + (this.root.clientHeight / 2 - y) / after) / this.height;
    this.draw();
  }

  in() {
    this.by(STEP);
  }

  out() {
    this.by(1 / STEP);
  }

  pan(x, y) {
    this.x -= x / this.scale / this.width;
    this.y -= y / this.scale / this.height;
    this.draw();
  }

  down(event) {
    if (event.target.closest("button")) return;
    this.root.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
  }

  moved(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const others = [...this.pointers.values()].filter((other) => other.pointerId !== event.pointerId);
    this.pointers.set(event.pointerId, event);
    if (others.length) {
      const box = this.root.getBoundingClientRect();
      const apart = (one) => Math.hypot(one.clientX - others[0].clientX, one.clientY - others[0].clientY);
      const middle = { x: (event.clientX + others[0].clientX) / 2 - box.left, y: (event.clientY + others[0].clientY) / 2 - box.top };
      this.by(apart(event) / Math.max(1, apart(before)), middle.x, middle.y);
    } else this.pan(event.clientX - before.clientX, event.clientY - before.clientY);
  }

  // A wheel alone scrolls the page; with Ctrl, as pinching on a touchpad is reported, it zooms.
  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = this.root.getBoundingClientRect();
    this.by(Math.exp(-event.deltaY * 0.004), event.clientX - box.left, event.clientY - box.top);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const pans = { ArrowLeft: [PAN_PX, 0], ArrowRight: [-PAN_PX, 0], ArrowUp: [0, PAN_PX], ArrowDown: [0, -PAN_PX] };
    if (event.key === "+" || event.key === "=") this.in();
    else if (event.key === "-") this.out();
    else if (event.key === "0") this.fit();
    else if (event.target === this.root && pans[event.key]) this.pan(...pans[event.key]);
    else return;
    event.preventDefault();
  }
}
