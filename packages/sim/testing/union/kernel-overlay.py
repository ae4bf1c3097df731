"""Performs union file system cases on real overlay mounts. Reads one JSON case a line, answers one JSON line each.

Run in a mount namespace of its own, as root. The form of cases and answers is told in cases.ts."""
import ctypes
import errno
import json
import os
import stat
import sys

libc = ctypes.CDLL(None, use_errno=True)
BASE = sys.argv[1]
INTERNAL = ("origin", "impure", "uuid", "nlink")
FIXED = "index=off,metacopy=off,redirect_dir=nofollow,xino=off"


def error_name(error):
    return "EOPNOTSUPP" if error.errno == errno.EOPNOTSUPP else errno.errorcode[error.errno]


def call(function, *arguments):
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def mount(kind, where, options=""):
    call(libc.mount, kind.encode(), where.encode(), kind.encode(), 0, options.encode())


def full(root, path):
    return root if path == "" else root + "/" + path


def add_entry(root, entry):
    path = full(root, entry["path"])
    kind = entry["kind"]
    if kind == "directory":
        if entry["path"] != "":
            os.mkdir(path)
    elif kind == "file":
        with open(path, "w") as file:
            file.write(entry.get("data", ""))
    elif kind == "symlink":
        os.symlink(entry["target"], path)
    elif kind == "link":
        os.link(full(root, entry["target"]), path, follow_symlinks=False)
        return
    elif kind == "whiteout":
        os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))
    elif kind == "char":
        os.mknod(path, stat.S_IFCHR, os.makedev(1, 3))
    elif kind == "fifo":
        os.mkfifo(path)
    os.chown(path, entry.get("uid", 0), entry.get("gid", 0), follow_symlinks=False)
    if kind != "symlink":
        os.chmod(path, entry.get("mode", 0o755 if kind == "directory" else 0 if kind == "whiteout" else 0o644))
    for name, value in entry.get("xattrs", {}).items():
        os.setxattr(path, name, value.encode(), follow_symlinks=False)


def settle(root):
    """All times become 1000 seconds after 1970."""
    for directory, names, files in os.walk(root, topdown=False):
        for name in names + files:
            os.utime(directory + "/" + name, (1000, 1000), follow_symlinks=False)
    os.utime(root, (1000, 1000))


def describe(path, view):
    info = os.lstat(path)
    found = {"mode": info.st_mode, "uid": info.st_uid, "gid": info.st_gid, "nlink": info.st_nlink, "ino": info.st_ino}
    if info.st_mtime_ns < 2_000_000 * 10**9:
        found["mtime"] = info.st_mtime_ns // 10**9
    if stat.S_ISREG(info.st_mode):
        found["size"] = info.st_size
        with open(path, "rb") as file:
            found["data"] = file.read().decode("latin-1")
    elif stat.S_ISLNK(info.st_mode):
        found["target"] = os.readlink(path)
    elif stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
        found["rdev"] = [os.major(info.st_rdev), os.minor(info.st_rdev)]
    attributes = {}
    for name in os.listxattr(path, follow_symlinks=False):
        part = name.split(".")
        if name.startswith(("user.", "trusted.", "security.capability", "system.posix_acl")) and not (view == "upper" and len(part) == 3 and part[1] == "overlay" and part[2] in INTERNAL):
            attributes[name] = os.getxattr(path, name, follow_symlinks=False).decode("latin-1")
    if attributes:
        found["xattrs"] = attributes
    return found


def walk(root, view, at="", found=None):
    found = {} if found is None else found
    try:
        found[at] = describe(full(root, at), view)
    except OSError as error:
        # A stray whiteout: listed, and not there (L5).
        found[at] = error_name(error)
        return found
    if stat.S_ISDIR(found[at]["mode"]):
        for name in sorted(os.listdir(full(root, at))):
            walk(root, view, name if at == "" else at + "/" + name, found)
    return found


class Runner:
    def __init__(self, root):
        self.root = root
        self.open = {}

    def path(self, path):
        return full(self.root, path)

    def perform(self, op):
        try:
            result = getattr(self, "do_" + op[0])(*op[1:])
            return 0 if result is None else result
        except OSError as error:
            return error_name(error)

    def do_create(self, path, mode):
        os.close(os.open(self.path(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))

    def do_mkdir(self, path, mode):
        os.mkdir(self.path(path), mode)

    def do_symlink(self, target, path):
        os.symlink(target, self.path(path))

    def do_mknod(self, path, major, minor):
        os.mknod(self.path(path), stat.S_IFCHR | 0o600, os.makedev(major, minor))

    def do_fifo(self, path):
        os.mkfifo(self.path(path), 0o644)

    def do_link(self, source, path):
        os.link(self.path(source), self.path(path), follow_symlinks=False)

    def do_unlink(self, path):
        os.unlink(self.path(path))

    def do_rmdir(self, path):
        os.rmdir(self.path(path))

    def do_rename(self, source, path, flags):
        call(libc.renameat2, -100, self.path(source).encode(), -100, self.path(path).encode(), flags)

    def regular(self, path, flags):
        info = os.lstat(self.path(path))
        if stat.S_ISFIFO(info.st_mode) or stat.S_ISCHR(info.st_mode):
            return None
        return os.open(self.path(path), flags | os.O_NOFOLLOW)

    def do_write(self, path, position, text):
        fd = self.regular(path, os.O_WRONLY)
        if fd is not None:
            os.pwrite(fd, text.encode(), position)
            os.close(fd)

    def do_openw(self, path, cut):
        fd = self.regular(path, os.O_RDWR | (os.O_TRUNC if cut else 0))
        if fd is not None:
            os.close(fd)

    def do_truncate(self, path, size):
        fd = self.regular(path, os.O_RDWR)
        if fd is not None:
            os.ftruncate(fd, size)
            os.close(fd)

    def do_chmod(self, path, mode):
        if not stat.S_ISLNK(os.lstat(self.path(path)).st_mode):
            os.chmod(self.path(path), mode)

    def do_chown(self, path, uid, gid):
        os.chown(self.path(path), uid, gid, follow_symlinks=False)

    def do_utimes(self, path, seconds):
        os.utime(self.path(path), (seconds, seconds), follow_symlinks=False)

    def do_setx(self, path, name, value, flags):
        os.setxattr(self.path(path), name, value.encode("latin-1"), flags, follow_symlinks=False)

    def do_getx(self, path, name):
        return os.getxattr(self.path(path), name, follow_symlinks=False).decode("latin-1")

    def do_rmx(self, path, name):
        os.removexattr(self.path(path), name, follow_symlinks=False)

    def do_stat(self, path):
        return stat.S_IFMT(os.lstat(self.path(path)).st_mode)

    def do_open(self, slot, path, write):
        fd = self.regular(path, os.O_RDWR if write else os.O_RDONLY)
        if fd is None:
            return "skip"
        if slot in self.open:
            os.close(self.open[slot])
        self.open[slot] = fd

    def do_fstat(self, slot):
        if slot not in self.open:
            return "skip"
        info = os.fstat(self.open[slot])
        return [info.st_mode, info.st_nlink, 0 if stat.S_ISDIR(info.st_mode) else info.st_size]

    def do_fchmod(self, slot, mode):
        if slot not in self.open:
            return "skip"
        os.fchmod(self.open[slot], mode)

    def do_fread(self, slot):
        if slot not in self.open:
            return "skip"
        return os.pread(self.open[slot], 100, 0).decode("latin-1")

    def close(self):
        for fd in self.open.values():
            os.close(fd)


def prepare(case, top):
    for index, layer in enumerate(case["layers"]):
        root = f"{top}/{index}"
        os.mkdir(root, 0o755)
        for entry in layer:
            add_entry(root, entry)
        settle(root)
    os.mkdir(top + "/work")
    os.mkdir(top + "/merged")
    lower = ":".join(f"{top}/{index}" for index in range(1, len(case["layers"])))
    options = f"lowerdir={lower},upperdir={top}/0,workdir={top}/work,{FIXED}"
    mount("overlay", top + "/merged", options + (",userxattr" if case.get("userXattr") else ""))


def perform(case, top):
    mount("tmpfs", top)
    try:
        prepare(case, top)
        runner = Runner(top + "/merged")
        before = walk(top + "/merged", "merged")
        results = [runner.perform(op) for op in case["ops"]]
        answer = {"results": results, "before": before, "merged": walk(top + "/merged", "merged"), "upper": walk(top + "/0", "upper")}
        runner.close()
        return answer
    finally:
        libc.umount2((top + "/merged").encode(), 2)
        libc.umount2(top.encode(), 2)


os.umask(0)
for line in sys.stdin:
    try:
        print(json.dumps(perform(json.loads(line), BASE)), flush=True)
    except Exception as error:
        print(json.dumps({"failed": repr(error)}), flush=True)
