// Choosing a picture: dropping it, seeing it, and hearing in words what is wrong before it is sent.

const MEGABYTE = 1024 ** 2;
const SMALLEST_SIDE_PX = 160;
const READABLE = new Set(["image/jpeg", "image/png", "image/webp"]);

function refusal(file, limitMb) {
  if (file.size === 0) return "This file is empty. Choose another picture.";
  if (/\.(heic|heif)$/i.test(file.name) || /image\/hei[cf]/.test(file.type)) {
    return "HEIC pictures cannot be read here. Save it as JPEG and try again.";
  }
  if (file.type.startsWith("video/")) return "This is a film. Take a still from it and choose that.";
  if (!READABLE.has(file.type)) return "This is no JPEG, PNG or WebP picture. Choose another file.";
  if (file.size > limitMb * MEGABYTE) {
    return `This picture has ${(file.size / MEGABYTE).toFixed(1)} MB; up to ${limitMb} MB are taken. Choose a smaller one.`;
  }
  return "";
}

class SourcePicker {
  constructor(drop) {
    this.drop = drop;
    this.input = drop.querySelector('input[type="file"]');
    this.picture = drop.querySelector(".chosen-picture");
    this.hint = drop.querySelector(".drop-hint");
    this.verdict = drop.querySelector(".drop-verdict");
    this.limitMb = Number(drop.dataset.limitMb);
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
      this.say("That was no file. Save the picture first, then drop it here.", true);
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
    const reason = refusal(file, this.limitMb);
    if (reason) return this.say(reason, true);
    this.picture.src = URL.createObjectURL(file);
    try {
      await this.picture.decode();
    } catch {
      this.clear();
      return this.say("This picture is damaged or of an unusual kind. Choose another one.", true);
    }
    const { naturalWidth: width, naturalHeight: height } = this.picture;
    this.picture.hidden = false;
    this.hint.hidden = true;
    this.drop.classList.add("chosen");
    if (Math.min(width, height) < SMALLEST_SIDE_PX) {
      return this.say(`This picture has only ${width} × ${height} pixels; the face would be a blur. Choose a larger one.`, true);
    }
    return this.say(`${file.name}: ${width} × ${height} pixels, ${(file.size / MEGABYTE).toFixed(1)} MB.`, false);
  }

  clear() {
    if (this.picture.src) URL.revokeObjectURL(this.picture.src);
    this.picture.removeAttribute("src");
    this.picture.hidden = true;
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
    status.textContent = "Sending the picture. Keep this page open until the build has begun.";
  });
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    button.disabled = false;
    status.textContent = "";
  });
}
