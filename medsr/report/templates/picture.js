"use strict";
// What the stage shows, as a PNG: both images, the line between them, and a legend below.
const picture = (() => {
  const LINE = 26;

  function legend(pen, words, ramp, top) {
    pen.font = "16px system-ui, sans-serif";
    pen.fillStyle = "#fff";
    const wide = pen.canvas.width - 20;
    words.forEach((text, i) => pen.fillText(text, 10, top + (i + 0.75) * LINE, wide));
    if (ramp) pen.drawImage(ramp, 10, top + (words.length + 0.25) * LINE, wide, LINE / 2);
  }

  // stage: of stage.js; words: lines of the legend; ramp: image of a map's colours, or nothing.
  function drawn(stage, words, ramp) {
    const { left, right } = stage.viewers;
    const sheet = document.createElement("canvas");
    const { width, height } = right.gl.canvas;
    [sheet.width, sheet.height] = [width, height + (words.length + (ramp ? 1.25 : 0.5)) * LINE];
    const pen = sheet.getContext("2d");
    pen.fillRect(0, 0, sheet.width, sheet.height);
    left.drawScene(); // WebGL forgets its picture after each frame
    pen.drawImage(left.gl.canvas, 0, 0);
    const ratio = width / right.gl.canvas.clientWidth;
    const part = new Path2D();
    part.addPath(new Path2D(stage.rightPart()), new DOMMatrix().scale(ratio));
    pen.save();
    pen.clip(part);
    right.drawScene();
    pen.drawImage(right.gl.canvas, 0, 0);
    pen.restore();
    if (!stage.state.only) {
      pen.fillStyle = "#ffd24a";
      for (const [x, y, wide, tall] of stage.tiles()) {
        pen.fillRect((x + (wide * stage.state.split) / 100) * ratio - 1, y * ratio, 2, tall * ratio);
      }
    }
    legend(pen, words, ramp, height);
    return sheet;
  }

  function save(stage, words, ramp) {
    drawn(stage, words, ramp).toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = "medsr_picture.png";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    }, "image/png");
  }

  return { save };
})();
