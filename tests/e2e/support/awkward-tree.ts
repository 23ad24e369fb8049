/** Bash: fills the current folder with files that backup programs get wrong, the folder's own owner and mode among them. */
export const makeAwkwardTree = String.raw`
umask 022
mkdir -p empty "spa ce" deep/a/b/c sticky private
printf 'latin' > $'latin1-\xe9'
printf 'unicode' > 'ünïcödé-日本-🦭'
printf 'decomposed' > $'e\xcc\x81'
printf 'newline' > $'new\nline'
printf 'backslash' > 'back\slash'
printf 'long' > "$(printf 'n%.0s' {1..255})"
: > empty-file
printf 'linked' > hard1 && ln hard1 deep/hard2 && ln hard1 deep/a/hard3
ln -s nowhere dangling && ln -s deep/a folder-link && ln -s $'latin1-\xe9' latin-link
chown -h 77:88 dangling && touch -h -d '1999-12-31 23:59:59.987654321' dangling
mkfifo fifo && chmod 620 fifo
mknod null c 1 3
truncate -s 96M sparse && printf 'island' | dd of=sparse bs=1 seek=50000000 conv=notrunc status=none
printf 'suid' > suid && chown 1000:2000 suid && chmod 4755 suid
printf 'sgid' > sgid && chown 2000:1000 sgid && chmod 2711 sgid
printf 'none' > mode-000 && chmod 000 mode-000
chmod 1777 sticky && printf 'x' > sticky/of-another && chown 4000000000:4000000001 sticky/of-another
setfattr -n user.text -v 'a note' hard1
setfattr -n user.binary -v 0x00ff0a0d00 'ünïcödé-日本-🦭'
setfattr -n user.empty deep
setfacl -m u:1001:rw,g:1002:r hard1
setfacl -m d:u:1003:rx private
for size in 1 1048576 1048577 16777216; do head -c $size /dev/urandom > random-$size; done
head -c 8388608 /dev/zero > zeros
touch -d '2001-02-03 04:05:06.123456789' empty-file random-1
touch -d '1965-01-02 03:04:05.5' zeros
touch -d '2010-10-10 10:10:10.101010101' deep/a/b empty
chown 1234:4321 . && chmod 2751 . && setfattr -n user.root -v yes . && touch -d '2020-02-02 02:02:02.020202020' .
`;

/**
 * Bash: everything about the files of the current folder as text: type, mode, owners, links, sizes, times to the
 * nanosecond, targets, contents, extended attributes, ACLs, and which names are one file. The file system's own
 * lost+found is left out.
 */
export const describeTree = String.raw`
export LC_ALL=C
all() { find . -path ./lost+found -prune -o "$@" -print0 | sort -z; }
show() { tr '\n\0' '\001\n' | cat -v; }
find . -path ./lost+found -prune -o -type d -printf '%P|%y|%m|%U:%G|%T@\0' -o -printf '%P|%y|%m|%U:%G|%n|%s|%T@|%l\0' | sort -z | show
all -type f | xargs -0 sha256sum -z | show
all | xargs -0 getfattr -dhm - -e hex --absolute-names
for name in deep/hard2 deep/a/hard3; do test hard1 -ef $name && echo one file; done
stat -c 'device %t:%T' null
test "$(stat -c %b sparse)" -ge 1000 || echo sparse
`;
