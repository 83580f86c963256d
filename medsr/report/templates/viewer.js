"use strict";
// Two NiiVue viewers lie on each other; a clip path shows the upper one right of a line in every
// plane. NiiVue draws, scrolls and links the planes; this file is the line and the controls.
(async () => {
  const byId = (id) => document.getElementById(id);
  const settings = JSON.parse(byId("settings").textContent);
  const stage = byId("stage");

  async function unpacked(id) {
    const text = atob(byId(id).textContent.trim());
    const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }

  // ---- images -------------------------------------------------------------------------------
  // A NIfTI-1 file: data type at byte 70, bits at 72, slope and intercept at 112 and 116.
  function voxels(file) {
    const type = new DataView(file).getInt16(70, true);
    return type === 2 ? new Uint8Array(file, 352) : new Uint16Array(file, 352);
  }

  // Voxels are stored as differences to the mean of the two before them (see embed.py).
  async function volume(role) {
    const file = await unpacked("volume-" + role);
    const head = new DataView(file), v = voxels(file);
    const nx = head.getInt16(42, true), ny = head.getInt16(44, true);
    for (let row = 0; row < v.length / nx; row++) {
      if (row % ny === 0) continue;
      for (let i = row * nx + 1; i < (row + 1) * nx; i++) v[i] += (v[i - 1] + v[i - nx]) >> 1;
    }
    return file;
  }

  function values(file) {
    const head = new DataView(file);
    const stored = voxels(file);
    const slope = head.getFloat32(112, true), intercept = head.getFloat32(116, true);
    return Float32Array.from(stored, (v) => v * slope + intercept);
  }

  function difference(a, b) {
    const x = values(a), y = values(b);
    const file = new ArrayBuffer(352 + 4 * x.length);
    new Uint8Array(file).set(new Uint8Array(a, 0, 352));
    const head = new DataView(file), out = new Float32Array(file, 352);
    head.setInt16(70, 16, true); // float32
    head.setInt16(72, 32, true);
    head.setFloat32(112, 1, true);
    head.setFloat32(116, 0, true);
    for (let i = 0; i < x.length; i++) out[i] = x[i] - y[i];
    return file;
  }

  async function images() {
    const found = {};
    const files = {};
    for (const [role, title] of Object.entries(settings.titles)) {
      files[role] = await volume(role);
      found[role] = { title, file: files[role], colours: "gray" };
    }
    for (const [a, b] of settings.differences) {
      const title = `${settings.titles[a]} minus ${settings.titles[b].toLowerCase()}`;
      found[`${a}-${b}`] = { title, file: difference(files[a], files[b]), colours: "difference",
        window: [-settings.reach, settings.reach] };
    }
    if (settings.spread) {
      found.spread = { title: "Uncertainty", file: await volume("spread"),
        colours: "spread", window: [0, settings.top] };
    }
    return found;
  }

  // ---- viewers ------------------------------------------------------------------------------
  async function viewer(canvas) {
    const nv = new niivue.Niivue({
      isRadiologicalConvention: true, sagittalNoseLeft: true, backColor: [0, 0, 0, 1],
      crosshairColor: [0.4, 0.8, 1, 0.8], crosshairWidth: 0.25, crosshairGap: 6, loadingText: "",
      dragAndDropEnabled: false, dragMode: niivue.DRAG_MODE.none, scrollRequiresFocus: true,
      isColorbar: false, logLevel: "error", fontMinPx: 13, fontSizeScaling: 0.35,
      viewModeHotKey: "", clipPlaneHotKey: "", isNearestInterpolation: false,
    });
    await nv.attachToCanvas(canvas);
    nv.opts.multiplanarShowRender = niivue.SHOW_RENDER.NEVER;
    for (const [name, stops] of Object.entries(settings.colours)) nv.addColormap(name, stops);
    return nv;
  }

  const state = { split: 50, window: [...settings.window], shown: {} };

  async function show(nv, side, key, all) {
    const image = all[key];
    const [low, high] = image.window ?? state.window;
    const at = nv.volumes.length ? [...nv.scene.crosshairPos] : null;
    while (nv.volumes.length) nv.removeVolume(nv.volumes[0]);
    const loaded = await niivue.NVImage.loadFromUrl({ url: image.file.slice(0),
      name: `${key}.nii`, colormap: image.colours, cal_min: low, cal_max: high });
    nv.addVolume(loaded);
    if (at) nv.scene.crosshairPos = at;
    nv.drawScene();
    state.shown[side] = key;
    byId("tag-" + side).textContent = image.title;
    bar(side, image);
  }

  function bar(side, image) {
    const [low, high] = image.window ?? state.window;
    const stops = settings.colours[image.colours];
    const colours = stops
      ? stops.I.map((at, i) => `rgb(${stops.R[i]} ${stops.G[i]} ${stops.B[i]}) ${at / 2.55}%`)
      : ["#000", "#fff"];
    byId("ramp-" + side).style.background = `linear-gradient(90deg, ${colours.join(", ")})`;
    const number = (v) => Number(v.toPrecision(3)).toString();
    byId("low-" + side).textContent = `${image.title}: ${number(low)}`;
    byId("high-" + side).textContent = `${number(high)} ${settings.unit}`;
  }

  function setWindow(low, high, viewers, all) {
    state.window = [low, high];
    for (const [side, nv] of Object.entries(viewers)) {
      const image = all[state.shown[side]];
      if (!image.window) {
        nv.volumes[0].cal_min = low;
        nv.volumes[0].cal_max = high;
        nv.updateGLVolume();
      }
      bar(side, image);
    }
    byId("darkest").value = Number(low.toPrecision(4));
    byId("brightest").value = Number(high.toPrecision(4));
  }

  // ---- the line -----------------------------------------------------------------------------
  function tiles(nv) {
    const ratio = nv.gl.canvas.width / stage.clientWidth;
    return nv.screenSlices.filter((s) => s.axCorSag < 3)
      .map((s) => s.leftTopWidthHeight.map((v) => v / ratio));
  }

  function cut(viewers) {
    const all = tiles(viewers.right);
    const share = state.split / 100;
    const path = all.map(([left, top, wide, tall]) =>
      `M${left + wide * share} ${top}H${left + wide}V${top + tall}H${left + wide * share}Z`);
    byId("right").style.clipPath = path.length ? `path("${path.join("")}")` : "none";
    const handles = [...stage.querySelectorAll(".handle")];
    handles.forEach((handle, i) => {
      handle.hidden = i >= all.length;
      if (handle.hidden) return;
      const [left, top, wide, tall] = all[i];
      Object.assign(handle.style, { left: `${left + wide * share}px`, top: `${top}px`,
        height: `${tall}px` });
    });
  }

  function split(percent, viewers) {
    state.split = Math.min(100, Math.max(0, percent));
    byId("split").value = state.split;
    cut(viewers);
  }

  function dragged(handle, index, viewers) {
    handle.addEventListener("pointerdown", (event) => handle.setPointerCapture(event.pointerId));
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const [left, , wide] = tiles(viewers.right)[index];
      const x = event.clientX - stage.getBoundingClientRect().left;
      split((100 * (x - left)) / wide, viewers);
    });
  }

  // ---- places -------------------------------------------------------------------------------
  const AXES = ["left-right", "back-front", "foot-head"];

  function moveTo(place, viewers) {
    for (const nv of Object.values(viewers)) {
      nv.scene.crosshairPos = [...place];
      nv.drawScene();
    }
    said(viewers);
  }

  function said(viewers) {
    const nv = viewers.right;
    const place = nv.scene.crosshairPos;
    AXES.forEach((axis, i) => { byId("at-" + axis).value = place[i]; });
    const vox = nv.frac2vox(place), mm = nv.frac2mm(place);
    const number = (v) => Number(v.toPrecision(4)).toString();
    const read = Object.entries(viewers).map(([side, v]) =>
      `${byId("tag-" + side).textContent}: ${number(v.volumes[0].getValue(...vox))}`);
    byId("readout").value = `${[...mm].slice(0, 3).map((v) => v.toFixed(1)).join(", ")} mm` +
      ` (right, front, head) — ${read.join("; ")} ${settings.unit}`;
  }

  // ---- all together -------------------------------------------------------------------------
  function choices(select, entries, chosen) {
    for (const [value, text] of entries) select.add(new Option(text, value));
    select.value = chosen;
  }

  function controls(viewers, all) {
    const listed = Object.entries(all).map(([key, image]) => [key, image.title]);
    for (const side of ["left", "right"]) {
      const select = byId("image-" + side);
      choices(select, listed, state.shown[side]);
      select.addEventListener("change", async () => {
        await show(viewers[side], side, select.value, all);
        said(viewers);
        cut(viewers);
      });
    }
    choices(byId("contrast"), settings.presets.map(([name], i) => [String(i), name]), "0");
    byId("contrast").addEventListener("change", (event) => {
      const [, low, high] = settings.presets[Number(event.target.value)];
      setWindow(low, high, viewers, all);
    });
    for (const id of ["darkest", "brightest"]) {
      byId(id).addEventListener("change", () => {
        const low = Number(byId("darkest").value), high = Number(byId("brightest").value);
        if (high > low) setWindow(low, high, viewers, all);
      });
    }
    byId("planes").addEventListener("change", (event) => {
      const type = niivue.SLICE_TYPE[event.target.value];
      for (const nv of Object.values(viewers)) nv.setSliceType(type);
      cut(viewers);
    });
    byId("split").addEventListener("input", (event) => split(Number(event.target.value), viewers));
    AXES.forEach((axis, i) => byId("at-" + axis).addEventListener("input", (event) => {
      const place = [...viewers.right.scene.crosshairPos];
      place[i] = Number(event.target.value);
      moveTo(place, viewers);
    }));
    [...stage.querySelectorAll(".handle")].forEach((h, i) => dragged(h, i, viewers));
  }

  async function start() {
    if (!window.DecompressionStream || !document.createElement("canvas").getContext("webgl2")) {
      throw new Error("this browser has no WebGL 2 or cannot unpack gzip");
    }
    const script = document.createElement("script");
    script.textContent = new TextDecoder().decode(await unpacked("niivue"));
    document.head.append(script);
    const all = await images();
    const viewers = { left: await viewer(byId("left")), right: await viewer(byId("right")) };
    await show(viewers.left, "left", settings.left, all);
    await show(viewers.right, "right", "after", all);
    for (const nv of Object.values(viewers)) nv.setSliceType(niivue.SLICE_TYPE.MULTIPLANAR);
    viewers.left.broadcastTo([viewers.right], { "2d": true, "3d": true });
    viewers.right.broadcastTo([viewers.left], { "2d": true, "3d": true });
    for (const nv of Object.values(viewers)) nv.onLocationChange = () => said(viewers);
    controls(viewers, all);
    setWindow(...settings.window, viewers, all);
    moveTo([0.5, 0.5, 0.5], viewers);
    split(50, viewers);
    new ResizeObserver(() => requestAnimationFrame(() => cut(viewers))).observe(stage);
    window.medsrViewers = viewers;
    document.body.dataset.viewer = "ready";
  }

  try {
    await start();
  } catch (fault) {
    byId("look").querySelector(".live").hidden = true;
    const note = byId("no-viewer");
    note.hidden = false;
    note.querySelector("output").value = fault.message;
    document.body.dataset.viewer = "unavailable";
  }
})();
