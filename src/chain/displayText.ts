/**
 * A stranger's text made safe to show in a terminal or a page, of at most `most` characters: without control and
 * direction characters, which could rewrite a line; without what is invisible, unassigned or stacked on others, which
 * could make two texts look alike; spaces single and none at the ends.
 */
export function displayText(text: string, most: number): string {
  // Bounded before the work: composition looks at every character.
  const clean = text
    .slice(0, most * 16)
    .normalize("NFC")
    .replace(/[\p{Z}\t\n\r]+/gu, " ")
    .replace(/[\p{C}\p{M}\p{Default_Ignorable_Code_Point}\u2800]/gu, "")
    .trim();
  return [...clean].slice(0, most).join("").trim();
}
