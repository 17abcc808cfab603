// How loud the visitor is in the page's microphone, and the avatar where the element takes its sound out of the jitter buffer, every 10 ms.
// `window.loudness` holds rows of [ms, level], how loud the element plays that as [ms, volume], and the way from there to the loudspeaker in ms.
() => {
  const video = document.getElementById("avatar-video");
  const connection = window.connections.at(-1);
  const noted = (window.loudness = { visitor: [], avatar: [], volumes: [[0, video.volume]], wayMs: 0 });
  video.addEventListener("volumechange", () => noted.volumes.push([performance.now(), video.volume]));
  setInterval(async () => {
    const way = [...(await connection.getStats()).values()].find(({ type }) => type === "media-playout");
    if (way?.totalSamplesCount) noted.wayMs = (1000 * way.totalPlayoutDelay) / way.totalSamplesCount;
  }, 1000);
  const listen = async (track, rows) => {
    // From the clock of the sound to the page's: as late as the piece that came soonest.
    let late = Infinity;
    for await (const piece of new MediaStreamTrackProcessor({ track: track.clone(), maxBufferSize: 500 }).readable) {
      const wave = new Float32Array(piece.numberOfFrames);
      piece.copyTo(wave, { planeIndex: 0, format: "f32-planar" });
      const taken = piece.timestamp / 1000;
      piece.close();
      late = Math.min(late, performance.now() - taken);
      rows.push([taken + late, Math.sqrt(wave.reduce((sum, x) => sum + x * x, 0) / wave.length)]);
    }
  };
  listen(connection.getSenders().find(({ track }) => track?.kind === "audio").track, noted.visitor);
  listen(video.srcObject.getAudioTracks()[0], noted.avatar);
}
