-- demo-server.lua PORT - an HTTP server for `make demo` that answers with its own address.

local uv = require "luv"

local server = uv.new_tcp()
assert(server:bind("127.0.0.1", tonumber(arg[1])))
assert(server:listen(16, function()
  local client = uv.new_tcp()
  server:accept(client)
  local here = client:getsockname()
  local body = here and ("Hello from the server on %s:%d.\n"):format(here.ip, here.port)
  client:read_start(function(_, data)
    if not data then
      return client:close()
    end
    client:read_stop()
    client:write(("HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body), function()
      client:close()
    end)
  end)
end))
uv.run()
