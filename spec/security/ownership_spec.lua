-- Root runs no policy that somebody else may change.

local command = require "spec.support.command"
local env = require "spec.support.env"
local uv = require "luv"

if uv.getuid() ~= 0 then
  return pending "needs root"
end

local POLICY = 'deny { "x", connect = "10.0.0.0/8" }'

describe("root", function() -- C3
  local folder, policy

  before_each(function()
    folder = env.folder() .. "/etc"
    assert(uv.fs_mkdir(folder, 493)) -- 0755
    policy = env.write(folder .. "/web.lua", POLICY)
    assert(uv.fs_chmod(policy, 420)) -- 0644
  end)
  after_each(env.clean)

  local function check(path, environment)
    return command.run({ command.path, "check", path or policy }, { env = environment })
  end

  --- What stands in the way of a policy, with the remedy.
  local function refused(text, path, environment)
    local got = check(path, environment)
    assert.equal((path or policy) .. ": root does not run it, because " .. text .. "\n", got.err)
    assert.equal(1, got.status)
  end

  local function chmod(path, mode) assert(uv.fs_chmod(path, tonumber(mode, 8))) end

  it("runs what only root may change", function()
    assert.equal(0, check().status)
    chmod(policy, "0600")
    assert.equal(0, check().status)
    chmod(folder, "1777")
    assert.equal(0, check().status)
  end)

  it("refuses a file of somebody else, unless that is the caller", function()
    assert(uv.fs_chown(policy, 12345, 0))
    refused(("it belongs to user 12345; chown root %s"):format(policy))
    refused(("it belongs to user 12345; chown root %s"):format(policy), nil, { SUDO_UID = "1234" })
    assert.equal(0, check(nil, { SUDO_UID = "12345" }).status)
  end)

  it("refuses a file that others may write to", function()
    for _, mode in ipairs { "0664", "0646", "0666", "0620", "0602", "1666" } do
      chmod(policy, mode)
      refused(("others may write to it; chmod go-w %s"):format(policy))
    end
  end)

  it("refuses a file in a folder that others may change, at any height", function()
    local deep, link = folder .. "/a/b/c", folder .. "/link.lua"
    assert(command.run({ "mkdir", "-p", deep }).status == 0)
    local path = env.write(deep .. "/web.lua", POLICY)
    assert(uv.fs_symlink(path, link))
    local again = "of its folder %s: %s; %s %s"
    for _, at in ipairs { deep, folder .. "/a/b", folder .. "/a", folder } do
      chmod(at, "0775")
      local text = again:format(at, "others may write to it", "chmod go-w", at)
      refused(text, path)
      refused(text, link)
      chmod(at, "0755")
      assert(uv.fs_chown(at, 12345, 0))
      refused(again:format(at, "it belongs to user 12345", "chown root", at), path)
      chmod(at, "1777")
      refused(again:format(at, "it belongs to user 12345", "chown root", at), path)
      assert(uv.fs_chown(at, 0, 0))
      assert.equal(0, check(path).status)
      chmod(at, "0755")
    end
  end)

  it("refuses an image and a module in the same way", function()
    local image = folder .. "/web.image"
    assert.equal(0, command.tidegate("compile", policy, "-o", image).status)
    chmod(image, "0666")
    refused(("others may write to it; chmod go-w %s"):format(image), image)
    env.write(policy, "require 'part'")
    local part = env.write(folder .. "/part.lua", "return 1")
    chmod(part, "0644")
    assert.equal(0, check().status)
    chmod(part, "0666")
    assert.equal(("%s:1: require: %s: root does not run it, because others may write to it; "
      .. "chmod go-w %s\n"):format(policy, part, part), check().err)
  end)

  it("refuses it in every command that runs it", function()
    chmod(policy, "0666")
    for line in ([[run POLICY -- true|run -n POLICY -- true|serve -n POLICY self|check POLICY
      |explain POLICY connect 1.2.3.4:80|compile POLICY -o /dev/null|repl POLICY -e rules
      |run --trust POLICY -- true]]):gmatch "[^|]+" do
      local words = { command.path }
      for word in line:gmatch "%S+" do
        words[#words + 1] = word == "POLICY" and policy or word
      end
      local got = command.run(words)
      assert.matches("root does not run it, because others may write to it", got.err, 1, true)
      assert.not_equal(0, got.status)
    end
  end)

  it("runs what comes through a pipe of its own", function()
    local got = command.run { "sh", "-c", 'echo "$1" | "$0" check /dev/stdin', command.path,
      POLICY }
    assert.equal("", got.err)
    assert.equal(0, got.status)
  end)

  it("alone is that careful: another user runs its own risk", function()
    chmod(policy, "0666")
    chmod(folder, "0777")
    chmod(folder:match "^(.*)/", "0755")
    local got = command.run { "setpriv", "--reuid=12345", "--regid=12345", "--clear-groups",
      command.path, "check", policy }
    if got.err:find("Permission denied", 1, true) then
      return pending "the build folder is for root alone"
    end
    assert.same({ 0, "" }, { got.status, got.err })
  end)
end)
