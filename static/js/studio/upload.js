// Choosing a picture or a video: dropping it, seeing it, and hearing in words what is wrong before it is sent.

const MEGABYTE = 1024 ** 2;
const SMALLEST_SIDE_PX = 160;
const SHORTEST_S = 3;
const LONGEST_S = 60;
const PICTURES = new Set(["image/jpeg", "image/png", "image/webp"]);
const VIDEOS = new Set(["video/mp4", "video/quicktime", "video/webm"]);

function refusal(file, limitMb, videoLimitMb) {
  if (file.size === 0) return "This file is empty. Choose another one.";
  if (/\.(heic|heif)$/i.test(file.name) || /image\/hei[cf]/.test(file.type)) {
    return "HEIC pictures cannot be read here. Save it as JPEG and try again.";
  }
  const moving = VIDEOS.has(file.type);
  if (!moving && !PICTURES.has(file.type)) {
    return "This is no picture (JPEG, PNG, WebP) and no video (MP4, MOV, WebM). Choose another file.";
  }
  const limit = moving ? videoLimitMb : limitMb;
  if (file.size > limit * MEGABYTE) {
    return `This file has ${(file.size / MEGABYTE).toFixed(1)} MB; up to ${limit} MB are taken. Choose a smaller one.`;
  }
  return "";
}

class SourcePicker {
  constructor(drop) {
    this.drop = drop;
    this.input = drop.querySelector('input[type="file"]');
    this.picture = drop.querySelector("img.chosen-picture");
    this.video = drop.querySelector("video.chosen-picture");
    this.hint = drop.querySelector(".drop-hint");
    this.verdict = drop.querySelector(".drop-verdict");
    this.limitMb = Number(drop.dataset.limitMb);
    this.videoLimitMb = Number(drop.dataset.videoLimitMb);
    this.input.addEventListener("change", () => this.show(this.input.files[0]));
    drop.addEventListener("dragover", (event) => this.hover(event));
    drop.addEventListener("dragleave", (event) => {
      if (!drop.contains(event.relatedTarget)) drop.classList.remove("over");
    });
    drop.addEventListener("drop", (event) => this.take(event));
    if (this.input.files.length) this.show(this.input.files[0]);
  }

  hover(event) {
    event.preventDefault();
    this.drop.classList.add("over");
  }

  take(event) {
    event.preventDefault();
    this.drop.classList.remove("over");
    const file = event.dataTransfer.files[0];
    if (!file) {
      this.say("That was no file. Save it first, then drop it here.", true);
      return;
    }
    const chosen = new DataTransfer();
    chosen.items.add(file);
    this.input.files = chosen.files;
    this.show(file);
  }

  say(sentence, wrong) {
    this.verdict.textContent = sentence;
    this.verdict.classList.toggle("errorlist", wrong);
    this.input.setCustomValidity(wrong ? sentence : "");
    if (wrong) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }

  async show(file) {
    this.clear();
    if (!file) return this.say("", false);
    const reason = refusal(file, this.limitMb, this.videoLimitMb);
    if (reason) return this.say(reason, true);
    if (VIDEOS.has(file.type)) return this.showVideo(file);
    this.picture.src = URL.createObjectURL(file);
    try {
      await this.picture.decode();
    } catch {
      this.clear();
      return this.say("This picture is damaged or of an unusual kind. Choose another one.", true);
    }
    const { naturalWidth: width, naturalHeight: height } = this.picture;
    this.chosen(this.picture);
    if (Math.min(width, height) < SMALLEST_SIDE_PX) {
      return this.say(`This picture has only ${width} × ${height} pixels; the face would be a blur. Choose a larger one.`, true);
    }
    return this.say(`${file.name}: ${width} × ${height} pixels, ${(file.size / MEGABYTE).toFixed(1)} MB.`, false);
  }

  // A browser that cannot play this kind of video says nothing about it: the builder reads more kinds.
  showVideo(file) {
    const size = `${file.name}: ${(file.size / MEGABYTE).toFixed(1)} MB`;
    this.say(`${size}.`, false);
    this.video.onloadedmetadata = () => {
      const { duration, videoWidth: width, videoHeight: height } = this.video;
      this.chosen(this.video);
      if (duration < SHORTEST_S) return this.say(`This video lasts ${duration.toFixed(1)} seconds. Choose one of ${SHORTEST_S} seconds or more.`, true);
      if (Number.isFinite(duration) && duration > LONGEST_S + 0.5) {
        return this.say(`This video lasts ${Math.round(duration)} seconds. Cut it to ${LONGEST_S} seconds or less.`, true);
      }
      return this.say(`${size}, ${width} × ${height} pixels, ${Number.isFinite(duration) ? duration.toFixed(1) : "?"} seconds.`, false);
    };
    this.video.src = URL.createObjectURL(file);
  }

  chosen(view) {
    view.hidden = false;
    this.hint.hidden = true;
    this.drop.classList.add("chosen");
  }

  clear() {
    this.video.onloadedmetadata = null;
    for (const view of [this.picture, this.video]) {
      if (view.src) URL.revokeObjectURL(view.src);
      view.removeAttribute("src");
      view.hidden = true;
    }
    this.hint.hidden = false;
    this.drop.classList.remove("chosen");
  }
}

for (const drop of document.querySelectorAll("[data-drop]")) new SourcePicker(drop);

// A drop that misses the field must not make the browser leave the page.
for (const kind of ["dragover", "drop"]) {
  addEventListener(kind, (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());
}

for (const form of document.querySelectorAll("[data-upload]")) {
  const button = form.querySelector('button[type="submit"]');
  const status = form.querySelector("[data-upload-status]");
  form.addEventListener("submit", () => {
    button.disabled = true;
    status.textContent = "Sending it. Keep this page open until the build has begun.";
  });
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    button.disabled = false;
    status.textContent = "";
  });
}
