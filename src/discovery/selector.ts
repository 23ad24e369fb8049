import { records, text, textMap, texts } from './fields.ts';
import type { Fields } from './fields.ts';

/** Whether a label selector of Kubernetes (matchLabels and matchExpressions) selects these labels. */
export function matchesSelector(selector: Fields, labels: Readonly<Record<string, string>>): boolean {
  const equal = Object.entries(textMap(selector['matchLabels'])).every(([key, value]) => labels[key] === value);
  return equal && records(selector['matchExpressions']).every((expression) => matchesExpression(expression, labels));
}

function matchesExpression(expression: Fields, labels: Readonly<Record<string, string>>): boolean {
  const value = labels[text(expression['key']) ?? ''];
  const values = texts(expression['values']);
  switch (expression['operator']) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      // An operator that nobody knows selects nothing: nothing is called protected by it.
      return false;
  }
}
