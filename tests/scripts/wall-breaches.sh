#!/usr/bin/env bash
# The build keeps to the walls that scripts/check-walls.sh looks at, and each sort of breach is seen.
. "${0%/*}/../tools/script-test.sh"

expect_exit 0 scripts/check-walls.sh "$B"
expect_silent

# folder | code | what is to be said (nothing: allowed)
while IFS='|' read -r object code expected; do
    rm -rf "$scratch/build"
    mkdir -p "$scratch/build/${object%/*}"
    printf '#include <stddef.h>\n%s\n' "$code" >"$scratch/case.c"
    gcc -O2 -ffunction-sections -c -o "$scratch/build/$object" "$scratch/case.c" || fail "does not compile: $code"
    if [[ -z $expected ]]; then
        expect_exit 0 scripts/check-walls.sh "$scratch/build"
        expect_silent
    else
        expect_exit 1 scripts/check-walls.sh "$scratch/build"
        expect_said "$scratch/build/$object: $expected"
    fi
done <<'CASES'
cluster/a.o|static int count; int next(void) { return ++count; }|writable static data: count
cluster/a.o|int next(void) { static int calls = 7; return ++calls; }|writable static data: calls
cluster/a.o|int shared;|writable static data: shared
cluster/a.o|static _Thread_local int mine; int next(void) { return ++mine; }|writable static data: mine
cluster/a.o|extern int x; int *where[1] = {&x}; int x;|writable static data: where
cluster/a.o|__asm__(".data\n.quad 7\n.text");|writable static data: section .data of 0x
cluster/a.o|static const char *const names[] = {"a", "b"}; const char *name(int i) { return names[i]; }|
cluster/a.o|static const int table[] = {1, 2, 3}; int at(int i) { return table[i]; }|
cluster/a.o|void *malloc(size_t n); void *get(void) { return malloc(9); }|calls malloc
cluster/a.o|long time(long *t); long now(void) { return time(NULL); }|calls time
cluster/a.o|int rand(void); int draw(void) { return rand(); }|calls rand
cluster/a.o|int socket(int, int, int); int open_it(void) { return socket(2, 1, 0); }|calls socket
cluster/a.o|void qsort(void *, size_t, size_t, int (*)(const void *, const void *)); void s(void *p) { qsort(p, 1, 1, NULL); }|calls qsort
cluster/a.o|void kernel_schedule(void); void later(void) { kernel_schedule(); }|calls kernel_schedule
cluster/a.o|void rt_charge(int); void *memcpy(void *, const void *, size_t); void f(void *a, void *b, size_t n) { rt_charge(1); memcpy(a, b, n); }|
san/iscsi_target.o|static int count; int next(void) { return ++count; }|writable static data: count
san/scsi.o|void *malloc(size_t n); void *get(void) { return malloc(9); }|calls malloc
san/vhd.o|unsigned long crc32(unsigned long, const void *, unsigned); unsigned long c(void) { return crc32(0, "", 0); }|
san/disk.o|static int count; int next(void) { return ++count; } void *malloc(size_t n); void *get(void) { return malloc(9); }|
nic/link.o|static int count; int next(void) { return ++count; }|
CASES

# SDL: a program that is linked with a library of that name.
rm -rf "$scratch/build"
mkdir -p "$scratch/build"
echo 'int SDL_Init(void) { return 0; }' | gcc -shared -fPIC -x c -o "$scratch/build/libSDL2-2.0.so.0" -
echo 'int SDL_Init(void); int main(void) { return SDL_Init(); }' >"$scratch/case.c"
gcc -o "$scratch/build/orrery" "$scratch/case.c" -L"$scratch/build" -l:libSDL2-2.0.so.0
expect_exit 1 scripts/check-walls.sh "$scratch/build"
expect_said "linked with libSDL2-2.0.so.0"
