// How loud the avatar is here: it lowers its voice at the first sign of another, and is silent at once when it is interrupted.
//
// What is on its way still comes out of the browser's buffer for a tenth of a second; here it is only turned down, and nothing is lost.
// Where a browser leaves the loudness to the device, none of this happens, and the voice ends with what was on its way.

const LOWERED = 0.1;
const YIELD_MS = 400; // by then it is known whether somebody speaks
const HUSH_MS = 3000; // what comes next is announced, by the state of speaking; a server that forgets that is heard again after so long
const STEP_MS = 10;

export class Loudness {
  constructor(video) {
    this.video = video;
    this.hushed = false;
  }

  /** Somebody may be about to speak. */
  yield() {
    if (!this.hushed) this.lower(LOWERED, YIELD_MS);
  }

  /** The avatar was interrupted. */
  hush() {
    this.hushed = true;
    this.lower(0, HUSH_MS);
  }

  /** What comes now is meant to be heard. */
  restore() {
    clearTimeout(this.step);
    clearTimeout(this.end);
    this.hushed = false;
    this.video.volume = 1;
  }

  lower(volume, forMs) {
    clearTimeout(this.step);
    clearTimeout(this.end);
    // In two steps, so that it does not click.
    this.video.volume = Math.sqrt(volume * this.video.volume) || this.video.volume / 4;
    this.step = setTimeout(() => (this.video.volume = volume), STEP_MS);
    this.end = setTimeout(() => this.restore(), forMs);
  }
}
