// What wine 8 lacks of Windows and the program's runtime needs. It lies beside the program, as the library whose name it has.
#include <windows.h>
#include <winternl.h>
#include <string.h>

BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) {
  return size <= 0xffffffff && SystemFunction036(data, (ULONG)size);
}

typedef NTSTATUS NTAPI Set(HANDLE, PIO_STATUS_BLOCK, PVOID, ULONG, ULONG);
static Set *set;

// FileDispositionInformationEx (64, flags) came with Windows 10 1709; FileDispositionInformation (13, yes or no) is older.
static NTSTATUS NTAPI set_old(HANDLE file, PIO_STATUS_BLOCK block, PVOID data, ULONG size, ULONG kind) {
  if (kind != 64) return set(file, block, data, size, kind);
  BOOLEAN removed = *(ULONG *)data & 1;
  return set(file, block, &removed, sizeof removed, 13);
}

BOOL WINAPI DllMain(HINSTANCE library, DWORD reason, LPVOID reserved) {
  if (reason != DLL_PROCESS_ATTACH) return TRUE;
  BYTE *program = (BYTE *)GetModuleHandleW(NULL);
  IMAGE_NT_HEADERS *head = (IMAGE_NT_HEADERS *)(program + ((IMAGE_DOS_HEADER *)program)->e_lfanew);
  DWORD at = head->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT].VirtualAddress;
  IMAGE_IMPORT_DESCRIPTOR *from = (IMAGE_IMPORT_DESCRIPTOR *)(program + at);
  for (; at != 0 && from->Name != 0; from++) {
    if (_stricmp((char *)program + from->Name, "ntdll.dll") != 0) continue;
    IMAGE_THUNK_DATA *name = (IMAGE_THUNK_DATA *)(program + from->OriginalFirstThunk);
    IMAGE_THUNK_DATA *entry = (IMAGE_THUNK_DATA *)(program + from->FirstThunk);
    for (; name->u1.AddressOfData != 0; name++, entry++) {
      if (IMAGE_SNAP_BY_ORDINAL(name->u1.Ordinal)) continue;
      IMAGE_IMPORT_BY_NAME *called = (IMAGE_IMPORT_BY_NAME *)(program + name->u1.AddressOfData);
      if (strcmp((char *)called->Name, "NtSetInformationFile") != 0) continue;
      DWORD before;
      if (!VirtualProtect(entry, sizeof *entry, PAGE_READWRITE, &before)) return FALSE;
      set = (Set *)entry->u1.Function;
      entry->u1.Function = (ULONG_PTR)set_old;
      VirtualProtect(entry, sizeof *entry, before, &before);
    }
  }
  return TRUE;
}
