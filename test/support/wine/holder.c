// holder FILE: keeps a file open, as many programs of Windows do, so that nobody may rename or remove it; until its input ends.
#include <windows.h>
#include <stdio.h>
#include <wchar.h>

int wmain(int count, wchar_t **words) {
  HANDLE file = CreateFileW(words[count - 1], GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
  if (file == INVALID_HANDLE_VALUE) return 1;
  puts("held");
  fflush(stdout);
  while (getchar() != EOF);
  return 0;
}
