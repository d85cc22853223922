/** Table of the networks of a committee: what each of them predicts. */

import { formatProbability } from "./views.js";

/** Rows with the name, the predicted class and its probability. */
export class MemberList {
  /**
   * @param {HTMLTableElement} table with a row for each network
   * @param {unknown[]} classes
   */
  constructor(table, classes) {
    this.rows = [...table.tBodies[0].rows];
    this.classes = classes;
  }

  /**
   * Show the predictions.
   *
   * @param {{ probabilities: Float32Array }[] | null} passes results of the networks, null without input
   * @param {?number} predicted index of the class that the committee predicts
   */
  show(passes, predicted) {
    this.rows.forEach((row, member) => {
      const [, label, number] = row.cells;
      const probabilities = passes?.[member].probabilities ?? [];
      const index = findMostProbable(probabilities);
      label.textContent = index < 0 ? "" : String(this.classes[index]);
      number.textContent = index < 0 ? "" : formatProbability(probabilities[index]);
      row.classList.toggle("different", index >= 0 && index !== predicted);
    });
  }
}

/**
 * Return how many networks agree with the prediction of a committee, as text.
 *
 * @param {{ probabilities: Float32Array }[]} passes results of the networks
 * @param {number} predicted index of the class that the committee predicts
 */
export function describeAgreement(passes, predicted) {
  const nAgreeing = passes.filter(({ probabilities }) => findMostProbable(probabilities) === predicted).length;
  return `predicted by ${nAgreeing} of ${passes.length} networks`;
}

/** Return the index of the class with the largest probability, -1 if there is none. */
function findMostProbable(probabilities) {
  return probabilities.indexOf(Math.max(...probabilities));
}
