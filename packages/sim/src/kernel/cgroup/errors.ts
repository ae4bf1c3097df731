/** The error numbers that cgroup files give. */
export { E2BIG, EAGAIN, EBUSY, EEXIST, EINVAL, ENOENT, ENOSPC, ERANGE, ESRCH, ENOTSUP as EOPNOTSUPP } from '../../abi/errno.ts';
