// Thin-plate splines: the smoothest bend of the plane that takes some points to others. As avatars/build/thinplate.py.

const kernel = (squared) => (squared * Math.log(Math.max(squared, 1e-12))) / 2;

// Gaussian elimination with pivoting: a is square, b has two columns; returns the solution's rows.
function solve(a, b) {
  const rows = a.map((row, index) => [...row, ...b[index]]);
  const count = rows.length;
  for (let column = 0; column < count; column += 1) {
    let pivot = column;
    for (let row = column + 1; row < count; row += 1) if (Math.abs(rows[row][column]) > Math.abs(rows[pivot][column])) pivot = row;
    if (Math.abs(rows[pivot][column]) < 1e-12) return null;
    [rows[column], rows[pivot]] = [rows[pivot], rows[column]];
    for (let row = 0; row < count; row += 1) {
      if (row === column) continue;
      const share = rows[row][column] / rows[column][column];
      if (share) for (let at = column; at < count + 2; at += 1) rows[row][at] -= share * rows[column][at];
    }
  }
  return rows.map((row, index) => [row[count] / row[index], row[count + 1] / row[index]]);
}

// Returns a function that maps a point so that each source lands on its target, or null where the points leave no way.
export function thinPlate(source, target) {
  const count = source.length;
  const middle = [0, 1].map((axis) => source.reduce((sum, point) => sum + point[axis], 0) / count);
  const spread = Math.sqrt(source.reduce((sum, point) => sum + (point[0] - middle[0]) ** 2 + (point[1] - middle[1]) ** 2, 0) / count) || 1;
  const local = ([x, y]) => [(x - middle[0]) / spread, (y - middle[1]) / spread];
  const points = source.map(local);
  const squared = ([ax, ay], [bx, by]) => (ax - bx) ** 2 + (ay - by) ** 2;
  const system = points.map((point) => [...points.map((other) => kernel(squared(point, other))), 1, ...point]);
  for (const part of [() => 1, ([x]) => x, ([, y]) => y]) system.push([...points.map(part), 0, 0, 0]);
  const solved = solve(system, [...target, [0, 0], [0, 0], [0, 0]]);
  if (!solved) return null;
  return (point) => {
    const here = local(point);
    const mapped = [0, 1].map((axis) => solved[count][axis] + solved[count + 1][axis] * here[0] + solved[count + 2][axis] * here[1]);
    points.forEach((other, index) => {
      const bend = kernel(squared(here, other));
      mapped[0] += solved[index][0] * bend;
      mapped[1] += solved[index][1] * bend;
    });
    return mapped;
  };
}
