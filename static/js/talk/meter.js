// How loud the visitor is, shown around the microphone button.

const FLOOR_DB = -58;
const CEILING_DB = -16;
const FALL = 0.86; // what is left of the level after one picture, when it gets quiet

export class Meter {
  constructor(element) {
    this.element = element;
    this.level = 0;
  }

  watch(stream) {
    this.stop();
    if (!stream) return;
    this.context = new AudioContext();
    const analyser = this.context.createAnalyser();
    analyser.fftSize = 512;
    this.context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const draw = () => {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      const level = (10 * Math.log10(power + 1e-12) - FLOOR_DB) / (CEILING_DB - FLOOR_DB);
      this.level = Math.max(Math.min(1, Math.max(0, level)), this.level * FALL);
      this.element.style.setProperty("--level", this.level.toFixed(3));
      this.frame = requestAnimationFrame(draw);
    };
    draw();
  }

  stop() {
    cancelAnimationFrame(this.frame);
    this.context?.close();
    this.context = null;
    this.level = 0;
    this.element.style.setProperty("--level", "0");
  }
}
