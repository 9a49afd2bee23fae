// An .exe that runs a script: NAME.exe runs NAME.js beside it; without such a script it is `node`, which runs what it is told.
// RUNTIME is what runs scripts. The arguments go on as they came, byte for byte.
#include <windows.h>
#include <wchar.h>

static wchar_t line[40000], script[MAX_PATH];

int wmain(void) {
  GetModuleFileNameW(NULL, script, MAX_PATH);
  wcscpy(wcsrchr(script, L'.'), L".js");
  const wchar_t *rest = GetCommandLineW();
  if (*rest == L'"') rest = wcschr(rest + 1, L'"') + 1;
  else rest += wcscspn(rest, L" \t");
  BOOL is_own = GetFileAttributesW(script) != INVALID_FILE_ATTRIBUTES;
  wsprintfW(line, L"\"%s\"", RUNTIME);
  if (is_own) {
    wcscat(line, L" \"");
    wcscat(line, script);
    wcscat(line, L"\"");
  }
  if (wcslen(line) + wcslen(rest) >= 40000) return 126;
  wcscat(line, rest);
  SetEnvironmentVariableW(L"BUN_BE_BUN", L"1");
  STARTUPINFOW start = {.cb = sizeof start};
  PROCESS_INFORMATION child;
  HANDLE job = CreateJobObjectW(NULL, NULL);
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limit = {.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE};
  SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limit, sizeof limit);
  if (!CreateProcessW(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &start, &child)) return 127;
  AssignProcessToJobObject(job, child.hProcess);
  SetConsoleCtrlHandler(NULL, TRUE); // Ctrl-C is for the script
  WaitForSingleObject(child.hProcess, INFINITE);
  DWORD code;
  GetExitCodeProcess(child.hProcess, &code);
  return (int)code;
}
