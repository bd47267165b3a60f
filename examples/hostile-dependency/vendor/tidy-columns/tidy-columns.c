// SPDX-License-Identifier: Apache-2.0
// Aligns tab-separated columns: what the dependency is honestly for.
#include <stdio.h>
#include <string.h>

enum { ROWS = 1000, COLUMNS = 16, WIDTH = 128 };
static char cells[ROWS][COLUMNS][WIDTH];
static int widths[COLUMNS];

static void take(char *line, int row) {
  line[strcspn(line, "\n")] = '\0';
  int column = 0;
  for (char *cell; column < COLUMNS && (cell = strsep(&line, "\t")) != NULL; column++) {
    int length = snprintf(cells[row][column], WIDTH, "%s", cell);
    if (length > widths[column]) widths[column] = length < WIDTH ? length : WIDTH - 1;
  }
}

int main(void) {
  char line[4096];
  int rows = 0;
  for (; rows < ROWS && fgets(line, sizeof line, stdin) != NULL; rows++) take(line, rows);
  for (int row = 0; row < rows; row++) {
    for (int column = 0; column < COLUMNS && widths[column] > 0; column++) {
      printf("%-*s%s", widths[column], cells[row][column], column + 1 < COLUMNS && widths[column + 1] > 0 ? "  " : "\n");
    }
  }
  return rows == 0;
}
