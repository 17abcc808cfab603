// Portraits that move when somebody looks at them. A film is fetched the first time it is wanted, never before.

const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
const canHover = matchMedia("(hover: hover)");

class Preview {
  constructor(face) {
    this.film = face.querySelector("video[data-src]");
    this.wanted = false;
    this.film?.addEventListener("playing", () => this.film.classList.toggle("playing", this.wanted));
  }

  play() {
    if (!this.film || reducedMotion.matches) return;
    this.wanted = true;
    if (!this.film.src) this.film.src = this.film.dataset.src;
    // The browser may refuse to play, to save power for instance. Then the still picture stays.
    this.film.play().catch(() => this.pause());
  }

  pause() {
    if (!this.film) return;
    this.wanted = false;
    this.film.classList.remove("playing");
    this.film.pause();
  }
}

const faces = [...document.querySelectorAll("[data-preview]")];
const previews = new Map(faces.map((face) => [face, new Preview(face)]));

for (const [face, preview] of previews) {
  if ("previewAlways" in face.dataset) continue;
  const target = face.closest(".card") ?? face;
  target.addEventListener("pointerenter", () => canHover.matches && preview.play());
  target.addEventListener("pointerleave", () => canHover.matches && preview.pause());
  target.addEventListener("focusin", () => preview.play());
  target.addEventListener("focusout", () => preview.pause());
}

// Where nothing can hover, the face that is wholly in view moves; one at a time.
let current = null;
const inView = new Map();
const observer = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) inView.set(entry.target, entry.intersectionRatio);
    for (const face of faces) {
      if (!("previewAlways" in face.dataset)) continue;
      if (inView.get(face) > 0.3) previews.get(face).play();
      else previews.get(face).pause();
    }
    if (canHover.matches) return;
    const next = faces.find((face) => !("previewAlways" in face.dataset) && inView.get(face) > 0.9) ?? null;
    if (next === current) return;
    if (current) previews.get(current).pause();
    current = next;
    if (current) previews.get(current).play();
  },
  { threshold: [0, 0.3, 0.6, 0.95] },
);
for (const face of faces) observer.observe(face);

reducedMotion.addEventListener("change", () => {
  for (const preview of previews.values()) preview.pause();
});
