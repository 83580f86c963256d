"use strict";
// Two NiiVue viewers lie on each other; a clip path shows the upper one right of a line in every
// plane. NiiVue draws the planes and the maps on them, and moves crosshair, window and picture by
// mouse; this file lays out the planes, keeps the two viewers alike and cuts along the line.
const CUT = { axial: 2, coronal: 1, sagittal: 0 }; // plane -> the axis (right, front, head) it cuts
const ZOOM = { least: 1, most: 12 };
const SIDES = ["left", "right"];

function openStage(element, settings, files, scale) {
  const viewers = {};
  const state = {
    images: { left: settings.left, right: "after" }, map: null, strength: 0.7,
    window: settings.window, planes: "three", split: 50, only: null,
  };
  let onChange = () => {}, quiet = true, queue = Promise.resolve();
  const changed = () => quiet || onChange();
  const each = (what) => SIDES.forEach((side) => what(viewers[side], side));
  const canvas = (side) => element.querySelector(`canvas.${side}`);

  async function attach(side) {
    const nv = new niivue.Niivue({
      isRadiologicalConvention: true, sagittalNoseLeft: true, backColor: [0, 0, 0, 1],
      crosshairColor: [0.4, 0.8, 1, 0.8], crosshairWidth: 0.2,
      crosshairWidthUnit: "percent", crosshairGap: 6, loadingText: "", dragAndDropEnabled: false, scrollRequiresFocus: true, logLevel: "error", fontMinPx: 13,
      fontSizeScaling: 0.35, viewModeHotKey: "", clipPlaneHotKey: "", cycleClipPlaneHotKey: "",
    });
    await nv.attachToCanvas(canvas(side));
    for (const [name, stops] of Object.entries(settings.colours)) nv.addColormap(name, stops);
    viewers[side] = nv;
  }

  // ---- images and maps ----------------------------------------------------------------------
  const image = (key) =>
    niivue.NVImage.loadFromUrl({ url: files[key].slice(0), name: `${key}.nii` });

  function asGrey(volume) {
    const [cal_min, cal_max] = state.window.map((v) => v * scale);
    const [robust_min, robust_max] = settings.window.map((v) => v * scale); // of a double click
    return Object.assign(volume, { colormap: "gray", cal_min, cal_max, robust_min, robust_max });
  }

  function asMap(volume, { signed, range }) {
    const top = range[1] * scale, solid = top * settings.solidFrom;
    return Object.assign(volume, {
      colormap: signed ? "above" : "amount", opacity: state.strength, cal_min: solid, cal_max: top,
      colormapType: 1, // fades below cal_min
      ...(signed && { colormapNegative: "below", cal_minNeg: -top, cal_maxNeg: -solid }),
    });
  }

  // Other images or another map: all are loaded first, and then both viewers change at once.
  async function show(next) {
    const { images, map } = { ...state, ...next };
    const loaded = {};
    for (const side of SIDES) {
      loaded[side] = [await image(images[side]), ...(map ? [await image(map)] : [])];
    }
    Object.assign(state, next);
    const at = viewers.right.volumes.length ? place() : [0.5, 0.5, 0.5];
    quiet = true;
    each((nv, side) => {
      while (nv.volumes.length) nv.removeVolume(nv.volumes[0]);
      const [grey, overlay] = loaded[side];
      nv.addVolume(asGrey(grey));
      if (overlay) nv.addVolume(asMap(overlay, settings.maps[map]));
    });
    quiet = false;
    moveTo(at);
  }

  const setImage = (side, key) =>
    (queue = queue.then(() => show({ images: { ...state.images, [side]: key } })));
  const setMap = (key) => (queue = queue.then(() => show({ map: key || null })));

  function setStrength(share) {
    state.strength = share;
    if (state.map) each((nv) => nv.setOpacity(1, share));
  }

  function setWindow(low, high) {
    state.window = [low, high];
    each((nv) => {
      [nv.volumes[0].cal_min, nv.volumes[0].cal_max] = [low * scale, high * scale];
      nv.opts.windowingGainFactor = ((high - low) * scale) / 400; // 400 pixels: as wide again
      nv.updateGLVolume();
    });
    changed();
  }

  // What NiiVue's mouse has done to one viewer is done to the other.
  function follow() {
    each((nv) => {
      const [low, high] = [nv.volumes[0].cal_min / scale, nv.volumes[0].cal_max / scale];
      if (low !== state.window[0] || high !== state.window[1]) setWindow(low, high);
    });
  }

  function setDrag(mode) {
    const { crosshair, windowing, pan } = niivue.DRAG_MODE;
    const primary = { crosshair, windowing, pan }[mode];
    each((nv) => {
      nv.setMouseEventConfig({ leftButton: { primary, withShift: pan, withCtrl: windowing },
        rightButton: windowing, centerButton: pan });
      nv.setTouchEventConfig({ singleTouch: primary, doubleTouch: pan });
    });
  }

  // ---- planes -------------------------------------------------------------------------------
  function size(plane) {
    const { dimsRAS, pixDimsRAS } = viewers.right.volumes[0];
    return [0, 1, 2].filter((axis) => axis !== CUT[plane])
      .map((axis) => dimsRAS[axis + 1] * pixDimsRAS[axis + 1]);
  }

  // The plane of the slices large, the other two stacked beside it, or below it in a row.
  function threePlanes(upright) {
    const main = settings.plane;
    const others = Object.keys(CUT).filter((plane) => plane !== main);
    const [wide, high] = size(main);
    const sides = others.map((plane) => size(plane)).map(([w, h]) => (upright ? w / h : h / w));
    const long = sides[0] + sides[1]; // of the two, each 1 across
    const across = (upright ? wide : high) / long; // of the two, in mm
    const whole = (upright ? high : wide) + across;
    const first = (whole - across) / whole;
    const place = (start, length) => (upright
      ? [start, first, length, 1 - first] : [first, start, 1 - first, length]);
    const share = sides[0] / long;
    const tiles = [[main, upright ? [0, 0, 1, first] : [0, 0, first, 1]],
      [others[0], place(0, share)], [others[1], place(share, 1 - share)]];
    return { tiles, aspect: upright ? wide / whole : whole / high };
  }

  function layOut() {
    const one = state.planes in CUT;
    const upright = matchMedia("(max-width: 40rem)").matches;
    const { tiles, aspect } = one
      ? { tiles: [[state.planes, [0, 0, 1, 1]]], aspect: size(state.planes)[0] / size(state.planes)[1] }
      : threePlanes(upright);
    element.style.setProperty("--aspect", aspect);
    const layout = tiles.map(([plane, position]) =>
      ({ sliceType: niivue.SLICE_TYPE[plane.toUpperCase()], position }));
    each((nv) => nv.setCustomLayout(layout));
    cut();
  }

  function setPlanes(planes) {
    state.planes = planes;
    layOut();
  }

  // ---- the line -----------------------------------------------------------------------------
  function tiles() {
    const ratio = viewers.right.gl.canvas.width / element.clientWidth;
    return viewers.right.screenSlices.map((s) => s.leftTopWidthHeight.map((v) => v / ratio));
  }

  // The part of the stage, in CSS pixels, where the right image is seen.
  function rightPart() {
    const share = state.only ? Number(state.only === "left") : state.split / 100;
    return tiles().map(([left, top, wide, tall]) =>
      `M${left + wide * share} ${top}H${left + wide}V${top + tall}H${left + wide * share}Z`).join("");
  }

  function cut() {
    canvas("right").style.clipPath = `path("${rightPart()}")`;
    const all = tiles(), share = state.split / 100;
    [...element.querySelectorAll(".handle")].forEach((handle, i) => {
      handle.hidden = i >= all.length || state.only !== null;
      if (handle.hidden) return;
      const [left, top, wide, tall] = all[i];
      Object.assign(handle.style, { left: `${left + wide * share}px`, top: `${top}px`,
        height: `${tall}px` });
    });
  }

  function setSplit(percent) {
    state.split = Math.min(100, Math.max(0, percent));
    cut();
    changed();
  }

  // Only one of the two images, or with null both, as the line says.
  function showOnly(side) {
    state.only = side;
    cut();
    changed();
  }

  // ---- place and zoom -----------------------------------------------------------------------
  const place = () => [...viewers.right.scene.crosshairPos];

  function moveTo(fractions) {
    each((nv) => {
      nv.scene.crosshairPos = [...fractions];
      nv.drawScene();
    });
    changed();
  }

  // Slices of the large plane; positive goes right, to the front, to the head.
  function moveSlice(count) {
    const step = [0, 0, 0];
    step[CUT[state.planes in CUT ? state.planes : settings.plane]] = count;
    viewers.right.moveCrosshairInVox(...step);
    moveTo(place());
  }

  // The crosshair stays where it is on the screen; without zoom, everything is in the middle.
  function zoom(factor) {
    const nv = viewers.right, [x, y, z, old] = nv.scene.pan2Dxyzmm;
    const now = Math.min(ZOOM.most, Math.max(ZOOM.least, old * factor));
    const mm = nv.frac2mm(nv.scene.crosshairPos);
    const pan = now === ZOOM.least ? [0, 0, 0] : [x, y, z].map((v, i) => v + mm[i] * (old - now));
    each((viewer) => viewer.setPan2Dxyzmm([...pan, now]));
  }

  // What stands at the crosshair: place in mm (right, front, head), and side or "map" -> value.
  function reading() {
    const nv = viewers.right, vox = nv.frac2vox(place());
    const found = { mm: [...nv.frac2mm(place(), 0, true)].slice(0, 3) };
    each((v, side) => { found[side] = v.volumes[0].getValue(...vox) / scale; });
    if (state.map) found.map = nv.volumes[1].getValue(...vox) / scale;
    return found;
  }

  async function start(whenChanged) {
    for (const side of SIDES) await attach(side);
    await show({});
    quiet = true;
    each((nv, side) => {
      nv.broadcastTo(SIDES.filter((s) => s !== side).map((s) => viewers[s]), { "2d": true });
      nv.onLocationChange = () => changed();
    });
    setWindow(...settings.window);
    setDrag("crosshair");
    layOut();
    onChange = whenChanged;
    quiet = false;
    moveTo(place());
    for (const event of ["mousemove", "mouseup", "touchmove", "touchend", "dblclick"]) {
      element.addEventListener(event, follow);
    }
    new ResizeObserver(() => requestAnimationFrame(cut)).observe(element);
    matchMedia("(max-width: 40rem)").addEventListener("change", layOut);
  }

  return { start, viewers, state, tiles, rightPart, place, reading, setImage, setMap, setStrength,
    setWindow, setDrag, setPlanes, setSplit, showOnly, moveTo, moveSlice, zoom };
}
