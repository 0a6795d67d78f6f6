--- Damaged images: their words are changed, and their checksum is made right again.

local bit = require "bit"
local ffi = require "ffi"
local images = require "spec.support.images"
local library = require "tidegate.ffi"

local C = library.C

local M = {}

--- 32-bit words in a row.
M.ROW_WORDS = 16

--- Where the row that describes the policy is, in words.
M.ABOUT = M.ROW_WORDS

--- Write the checksum again: a damaged image with a correct one reaches the other checks.
local function seal(buffer, size)
  local words = ffi.cast("uint64_t *", buffer)
  local factor, lanes = 0x9e3779b97f4a7c15ULL, ffi.new "uint64_t[8]"
  words[3] = 0
  for lane = 0, 7 do
    lanes[lane] = lane + 1
  end
  for index = 0, size / 8 - 1 do
    local lane = index % 8
    lanes[lane] = bit.rol(bit.bxor(lanes[lane], words[index]) * factor, 29)
  end
  local sum = ffi.new("uint64_t", size)
  for lane = 0, 7 do
    sum = bit.rol(bit.bxor(sum, lanes[lane]) * factor, 31)
  end
  words[3] = bit.bxor(sum, bit.rshift(sum, 32))
end

--- The error about an image's bytes once `damage` has changed the 32-bit words.
---@param bytes string
---@param damage fun(words: ffi.cdata*, rows: integer)
---@return string "accepted" if there is none
function M.refusal_of(bytes, damage)
  local words = ffi.new("uint32_t[?]", #bytes / 4)
  ffi.copy(words, bytes, #bytes)
  damage(words, #bytes / 64)
  seal(words, #bytes)
  local slot = library.slot "image"
  if C.tg_image_parse(words, #bytes, slot) ~= 0 then
    return ffi.string(C.tg_error())
  end
  library.release("image", library.own("image", slot))
  return "accepted"
end

--- The error about a damaged image of a policy.
---@param damage fun(words: ffi.cdata*, rows: integer)
---@param policy ffi.cdata*|nil default: images.sample()
---@return string
function M.refusal(damage, policy)
  return M.refusal_of(images.bytes_of(images.compile(policy or images.sample())), damage)
end

return M
