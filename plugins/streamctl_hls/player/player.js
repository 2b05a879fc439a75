"use strict";
(() => {
  const RETRY_MS = 2000;
  const STALL_MS = 3000;
  // A stream that has just begun lists one segment. It is played a little slower, or it would be
  // over before the next arrives, until there is enough ahead.
  const SCARCE_RATE = 0.8;
  const ENOUGH_TARGETS = 1.5;
  const FULL_SEGMENTS = 5;
  const video = document.getElementById("video");
  const notice = document.getElementById("notice");
  const live = document.getElementById("live");
  const latency = document.getElementById("latency");
  const base = location.pathname.replace(/\/+$/, "") + "/";
  const playlist = base + "index.m3u8" + location.search;
  let hls = null;
  let retry = 0;
  let mediaErrorAt = 0;
  let lastTime = 0;
  let lastProgressAt = performance.now();
  let segmentAtProgress = 0;
  let newestSegment = 0;

  const say = (text) => { if (notice.textContent !== text) notice.textContent = text; };
  const later = (why) => {
    say(why);
    clearTimeout(retry);
    retry = setTimeout(start, RETRY_MS);
  };
  const play = () => { video.play().catch(() => { /* the controls are there */ }); };

  function failed(_event, data) {
    if (!data.fatal) return;
    const now = performance.now();
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && now - mediaErrorAt > 5000) {
      mediaErrorAt = now;
      hls.recoverMediaError();
      play();
      return;
    }
    const status = data.response ? data.response.code : 0;
    const answer = data.networkDetails && status === 406 ? String(data.networkDetails.responseText).trim() : "";
    hls.destroy();
    hls = null;
    if (data.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) later("This browser can't decode this stream");
    else if (status === 406) later(answer || "This stream has no format for browsers");
    else if (status === 401 || status === 403) say("This stream is protected");
    else later("Waiting for the stream…");
  }

  function startWithMediaSource() {
    const patient = { default: { maxTimeToFirstByteMs: 26000, maxLoadTimeMs: 30000, timeoutRetry: null, errorRetry: null } };
    hls = new Hls({ lowLatencyMode: false, backBufferLength: 30, manifestLoadPolicy: patient });
    hls.on(Hls.Events.ERROR, failed);
    let details = null;
    let begun = false;
    let enough = false;
    hls.on(Hls.Events.LEVEL_LOADED, (_event, data) => {
      details = data.details;
      newestSegment = details.endSN;
    });
    hls.on(Hls.Events.FRAG_BUFFERED, () => {
      if (enough || !details || !video.buffered.length) return;
      const from = Math.max(video.currentTime, video.buffered.start(0));
      const ahead = video.buffered.end(video.buffered.length - 1) - from;
      enough = details.fragments.length >= FULL_SEGMENTS || ahead >= ENOUGH_TARGETS * details.targetduration;
      video.playbackRate = enough ? 1 : SCARCE_RATE;
      if (begun) return;
      begun = true;
      play();
    });
    hls.loadSource(playlist);
    hls.attachMedia(video);
  }

  function startNatively() {
    video.src = playlist;
    video.onerror = () => later("Waiting for the stream…");
    play();
  }

  function start() {
    if (hls) hls.destroy();
    hls = null;
    lastProgressAt = performance.now();
    segmentAtProgress = newestSegment;
    if (window.Hls && Hls.isSupported()) startWithMediaSource();
    else if (video.canPlayType("application/vnd.apple.mpegurl")) startNatively();
    else say("This browser can't play HLS");
  }

  function delay() {
    const shown = hls ? hls.playingDate : video.getStartDate && new Date(video.getStartDate().getTime() + video.currentTime * 1000);
    const seconds = shown ? (Date.now() - shown.getTime()) / 1000 : NaN;
    if (seconds >= 0 && seconds < 600) return seconds;
    return hls && hls.latency ? hls.latency : NaN;
  }

  function watch() {
    const now = performance.now();
    if (video.currentTime !== lastTime || (video.paused && !video.ended && lastTime > 0)) {
      lastTime = video.currentTime;
      lastProgressAt = now;
      segmentAtProgress = newestSegment;
      if (lastTime > 0) say("");
    } else if (lastTime > 0 && now - lastProgressAt > STALL_MS) {
      say("Waiting for the stream…");
      // Segments arrive, but the picture stands: the player can't get over something.
      if (hls && newestSegment - segmentAtProgress > 4) start();
    }
    const moving = lastTime > 0 && !video.paused && now - lastProgressAt < STALL_MS;
    const seconds = moving ? delay() : NaN;
    live.disabled = !moving;
    live.classList.toggle("on", moving);
    latency.textContent = Number.isNaN(seconds) ? "" : seconds.toFixed(1) + " s";
  }

  live.addEventListener("click", () => {
    const edge = hls ? hls.liveSyncPosition : video.seekable.length ? video.seekable.end(video.seekable.length - 1) - 6 : null;
    if (edge) video.currentTime = edge;
    play();
  });

  setInterval(watch, 500);
  if (window.MediaSource || window.ManagedMediaSource) {
    const script = document.createElement("script");
    script.src = base + "hls.js" + location.search;
    script.onload = start;
    script.onerror = () => later("Waiting for the server…");
    document.head.append(script);
  } else {
    start();
  }
})();
