--- The functions of the C library that the kernel specs use.
--
-- They have names of their own, so that no other module's declarations are in
-- the way.

local ffi = require "ffi"
local library = require "tidegate.ffi"

ffi.cdef [[
  struct spec_sockaddr { uint16_t family; uint8_t bytes[126]; };
  struct spec_timeval { long seconds, microseconds; };
  struct spec_linger { int on, seconds; };
  struct spec_filter { uint16_t code; uint8_t yes, no; uint32_t k; };
  struct spec_filters { uint16_t count; struct spec_filter *at; };
  struct spec_iovec { const void *base; size_t length; };
  struct spec_message {
    void *name; uint32_t name_length;
    struct spec_iovec *parts; size_t part_count;
    void *control; size_t control_length;
    int flags;
  };
  struct spec_messages { struct spec_message message; unsigned length; };
  struct spec_control { size_t length; int level, type, value, padding; };
  struct spec_source4 {
    size_t length; int level, type; uint32_t device; uint8_t source[4], unused[8];
  };
  struct spec_source6 {
    size_t length; int level, type; uint8_t source[16]; uint32_t device, padding;
  };
  struct spec_rlimit { unsigned long soft, hard; };

  int spec_socket(int, int, int) __asm__("socket");
  int spec_connect(int, const void *, uint32_t) __asm__("connect");
  int spec_bind(int, const void *, uint32_t) __asm__("bind");
  int spec_listen(int, int) __asm__("listen");
  int spec_accept4(int, void *, uint32_t *, int) __asm__("accept4");
  int spec_getpeername(int, void *, uint32_t *) __asm__("getpeername");
  int spec_getsockname(int, void *, uint32_t *) __asm__("getsockname");
  int spec_getsockopt(int, int, int, void *, uint32_t *) __asm__("getsockopt");
  int spec_setsockopt(int, int, int, const void *, uint32_t) __asm__("setsockopt");
  long spec_send(int, const void *, size_t, int) __asm__("send");
  long spec_sendto(int, const void *, size_t, int, const void *, uint32_t) __asm__("sendto");
  long spec_sendmsg(int, const struct spec_message *, int) __asm__("sendmsg");
  int spec_sendmmsg(int, struct spec_messages *, unsigned, int) __asm__("sendmmsg");
  long spec_recvmsg(int, struct spec_message *, int) __asm__("recvmsg");
  long spec_recvfrom(int, void *, size_t, int, void *, uint32_t *) __asm__("recvfrom");
  int spec_inet_pton(int, const char *, void *) __asm__("inet_pton");
  const char *spec_inet_ntop(int, const void *, char *, uint32_t) __asm__("inet_ntop");

  int spec_open(const char *, int, ...) __asm__("open");
  long spec_read(int, void *, size_t) __asm__("read");
  long spec_write(int, const void *, size_t) __asm__("write");
  int spec_close(int) __asm__("close");
  int spec_pipe(int *) __asm__("pipe");
  int spec_fork(void) __asm__("fork");
  int spec_waitpid(int, int *, int) __asm__("waitpid");
  int spec_kill(int, int) __asm__("kill");
  int spec_getpid(void) __asm__("getpid");
  void spec_exit(int) __asm__("_exit");
  int spec_setresuid(unsigned, unsigned, unsigned) __asm__("setresuid");
  int spec_setresgid(unsigned, unsigned, unsigned) __asm__("setresgid");
  int spec_getrlimit(int, struct spec_rlimit *) __asm__("getrlimit");
  int spec_setrlimit(int, const struct spec_rlimit *) __asm__("setrlimit");
  int spec_unshare(int) __asm__("unshare");
  int spec_setns(int, int) __asm__("setns");
  int spec_mkdir(const char *, unsigned) __asm__("mkdir");
  int spec_rmdir(const char *) __asm__("rmdir");
  long spec_syscall(long, ...) __asm__("syscall");
]]

local M = {}

--- The functions: libc.call.socket(…) is socket(…).
M.call = setmetatable({}, { __index = function(_, name) return ffi.C["spec_" .. name] end })

--- "ECONNREFUSED" for the errno that the last call set.
---@return string
function M.errno()
  local name = library.C.tg_errno_name(ffi.errno())
  return name ~= nil and ffi.string(name) or ("errno " .. ffi.errno())
end

--- A negative result as nil and the errno's name, any other as it is.
---@param result integer
---@return integer|nil
---@return string|nil errno
function M.outcome(result)
  result = tonumber(result)
  if result < 0 then
    return nil, M.errno()
  end
  return result
end

--- What can be read from a descriptor until its end, or until an error.
---@param fd integer
---@return string
function M.read_all(fd)
  local room, parts = ffi.new "char[4096]", {}
  while true do
    local count = tonumber(M.call.read(fd, room, 4096))
    if count <= 0 then
      return table.concat(parts)
    end
    parts[#parts + 1] = ffi.string(room, count)
  end
end

return M
