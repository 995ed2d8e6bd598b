//! Convolutions, tile by tile.
//!
//! A tile has th x tw outputs; with a kernel of kh x kw it reads th' x tw' inputs, th' = th + kh - 1 and tw'
//! = tw + kw - 1, hw = th' tw' of them in each channel. A polynomial holds c channels or f filters, `c f hw
//! <= n`:
//!
//! * input (ch, i, j) is coefficient `ch hw + i tw' + j`,
//! * weight (m, ch, i, j) is coefficient `O + m c hw - ch hw - i tw' - j`, O = hw (c - 1) + tw' (kh - 1) + kw
//!   - 1,
//! * output (m, i, j) is coefficient `O + m c hw + i tw' + j`.
//!
//! Zero padding is written out. A layer with strides becomes one without: each channel is split into its
//! *phases*, the pixels of equal remainders by the strides, which are channels of their own, and the kernel
//! likewise. Groups are layers of their own, one after the other. (Dilation: give the kernel with its zeros.)

use core::ops::Range;

use super::{EncodeError, MOST, Places, check, product};

/// A two-dimensional convolution: each output is the sum of its window's products with a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Convolution {
    /// Channels of the input.
    pub channels: usize,
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Rows of zeros above and below, columns of zeros left and right.
    pub padding: [[usize; 2]; 2],
    /// Strides down and across.
    pub strides: [usize; 2],
    /// Filters: channels of the output.
    pub filters: usize,
    /// Groups: as many for a depthwise convolution as there are channels.
    pub groups: usize,
}

impl Convolution {
    /// Height and width of the output, or what is impossible.
    ///
    /// # Errors
    /// [`EncodeError::Range`].
    pub fn output(&self) -> Result<[usize; 2], EncodeError> {
        let side = |axis: usize| {
            let [size, kernel, stride] = [self.size, self.kernel, self.strides].map(|sides| sides[axis]);
            let [before, behind] = self.padding[axis];
            check("an image's side", size, 1, MOST)?;
            check("zeros before an image", before, 0, MOST)?;
            check("zeros behind an image", behind, 0, MOST)?;
            let padded = size + before + behind;
            check("a kernel's side", kernel, 1, padded)?;
            check("a stride", stride, 1, padded)?;
            Ok((padded - kernel) / stride + 1)
        };
        Ok([side(0)?, side(1)?])
    }
}

/// A convolution and its packing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tiles {
    layer: Convolution,
    /// Outputs: of the layer, and of a tile.
    output: [usize; 2],
    tile: [usize; 2],
    /// How many tiles.
    tiles: [usize; 2],
    /// The kernel of a phase.
    kernel: [usize; 2],
    /// Pixels that a tile reads of a phase.
    window: [usize; 2],
    /// Channels of a polynomial, and filters.
    c: usize,
    f: usize,
}

impl Tiles {
    pub fn new(
        layer: Convolution,
        tile: [usize; 2],
        c: usize,
        f: usize,
        n: usize,
    ) -> Result<Self, EncodeError> {
        let output = layer.output()?;
        check("channels", layer.channels, 1, MOST)?;
        check("filters", layer.filters, 1, MOST)?;
        check("groups", layer.groups, 1, layer.channels.min(layer.filters))?;
        check("channels over whole groups", layer.channels % layer.groups, 0, 0)?;
        check("filters over whole groups", layer.filters % layer.groups, 0, 0)?;
        let [height, width] = layer.size;
        let [kh, kw] = layer.kernel;
        let [sh, sw] = layer.strides;
        product("an input's number of elements", &[layer.channels, height, width])?;
        product("an output's number of elements", &[layer.filters, output[0], output[1]])?;
        product("a kernel's number of elements", &[layer.filters, layer.channels / layer.groups, kh, kw])?;
        let phases = product("a group's number of phases", &[layer.channels / layer.groups, sh, sw])?;
        check("rows of a tile", tile[0], 1, output[0])?;
        check("columns of a tile", tile[1], 1, output[1])?;
        check("channels in a polynomial", c, 1, phases)?;
        check("filters in a polynomial", f, 1, layer.filters / layer.groups)?;
        let kernel = [kh.div_ceil(sh), kw.div_ceil(sw)];
        let window = [tile[0] + kernel[0] - 1, tile[1] + kernel[1] - 1];
        let needed = [window[0], window[1], c, f].into_iter().fold(1usize, usize::saturating_mul);
        if needed > n {
            return Err(EncodeError::DoesNotFit { needed, n });
        }
        let tiles = [output[0].div_ceil(tile[0]), output[1].div_ceil(tile[1])];
        let layout = Self { layer, output, tile, tiles, kernel, window, c, f };
        let [gi, go] = [layout.across(), layout.down()];
        product("the number of polynomials", &[layer.groups, tiles[0], tiles[1], gi.max(go)])?;
        product("the number of weight polynomials", &[layer.groups, gi, go])?;
        Ok(layout)
    }

    /// Channels of a group once strides are phases.
    fn phases(&self) -> usize {
        self.layer.channels / self.layer.groups * self.layer.strides[0] * self.layer.strides[1]
    }

    /// Input polynomials of a tile.
    fn across(&self) -> usize {
        self.phases().div_ceil(self.c)
    }

    /// Output polynomials of a tile.
    fn down(&self) -> usize {
        (self.layer.filters / self.layer.groups).div_ceil(self.f)
    }

    fn hw(&self) -> usize {
        self.window[0] * self.window[1]
    }

    /// O of the formulas.
    fn origin(&self) -> usize {
        self.hw() * (self.c - 1) + self.window[1] * (self.kernel[0] - 1) + self.kernel[1] - 1
    }

    /// The phases of a polynomial: which channel of its group, which remainders.
    fn channels(&self, polynomial: usize) -> impl Iterator<Item = (usize, [usize; 2])> {
        let [sh, sw] = self.layer.strides;
        let last = ((polynomial + 1) * self.c).min(self.phases());
        (polynomial * self.c..last).map(move |phase| (phase / (sh * sw), [phase / sw % sh, phase % sw]))
    }

    fn filters(&self, polynomial: usize) -> Range<usize> {
        polynomial * self.f..((polynomial + 1) * self.f).min(self.layer.filters / self.layer.groups)
    }

    /// The first output of a tile.
    fn corner(&self, tile: usize) -> [usize; 2] {
        [tile / self.tiles[1] * self.tile[0], tile % self.tiles[1] * self.tile[1]]
    }
}

impl Places for Tiles {
    fn elements(&self) -> [usize; 3] {
        let Convolution { channels, size, kernel, filters, groups, .. } = self.layer;
        [
            channels * size[0] * size[1],
            filters * (channels / groups) * kernel[0] * kernel[1],
            filters * self.output[0] * self.output[1],
        ]
    }

    fn polynomials(&self) -> [usize; 3] {
        let tiles = self.tiles[0] * self.tiles[1];
        [tiles * self.across(), self.across() * self.down(), tiles * self.down()]
            .map(|of_a_group| of_a_group * self.layer.groups)
    }

    fn input(&self, polynomial: usize, mut place: impl FnMut(usize, usize)) {
        let Convolution { channels, size, padding, strides, groups, .. } = self.layer;
        let (tile, across) = (polynomial / self.across(), polynomial % self.across());
        let tiles = self.tiles[0] * self.tiles[1];
        let (group, tile) = (tile / tiles, tile % tiles);
        let corner = self.corner(tile);
        // The pixel of the image under a pixel of the window, if it is none of the zeros around.
        let pixel = |axis: usize, phase: usize, i: usize| {
            let padded = (corner[axis] + i) * strides[axis] + phase;
            padded.checked_sub(padding[axis][0]).filter(|&at| at < size[axis])
        };
        for (ch, (channel, phase)) in self.channels(across).enumerate() {
            for i in 0..self.window[0] {
                let Some(y) = pixel(0, phase[0], i) else { continue };
                for j in 0..self.window[1] {
                    let Some(x) = pixel(1, phase[1], j) else { continue };
                    let at = ch * self.hw() + i * self.window[1] + j;
                    place(at, ((group * (channels / groups) + channel) * size[0] + y) * size[1] + x);
                }
            }
        }
    }

    fn weight(&self, polynomial: usize, mut place: impl FnMut(usize, usize)) {
        let Convolution { channels, kernel, strides, filters, groups, .. } = self.layer;
        let (down, across) = (polynomial / self.across(), polynomial % self.across());
        let (group, down) = (down / self.down(), down % self.down());
        for (m, filter) in self.filters(down).enumerate() {
            for (ch, (channel, phase)) in self.channels(across).enumerate() {
                for i in 0..self.kernel[0] {
                    for j in 0..self.kernel[1] {
                        let (y, x) = (i * strides[0] + phase[0], j * strides[1] + phase[1]);
                        if y < kernel[0] && x < kernel[1] {
                            let filter = group * (filters / groups) + filter;
                            let element =
                                ((filter * (channels / groups) + channel) * kernel[0] + y) * kernel[1] + x;
                            let back = ch * self.hw() + i * self.window[1] + j;
                            place(self.origin() + m * self.c * self.hw() - back, element);
                        }
                    }
                }
            }
        }
    }

    fn output(&self, polynomial: usize, mut place: impl FnMut(usize, usize)) {
        let Convolution { filters, groups, .. } = self.layer;
        let (tile, down) = (polynomial / self.down(), polynomial % self.down());
        let tiles = self.tiles[0] * self.tiles[1];
        let (group, tile) = (tile / tiles, tile % tiles);
        let corner = self.corner(tile);
        for (m, filter) in self.filters(down).enumerate() {
            let filter = group * (filters / groups) + filter;
            for i in 0..self.tile[0].min(self.output[0] - corner[0]) {
                for j in 0..self.tile[1].min(self.output[1] - corner[1]) {
                    let at = self.origin() + m * self.c * self.hw() + i * self.window[1] + j;
                    place(at, (filter * self.output[0] + corner[0] + i) * self.output[1] + corner[1] + j);
                }
            }
        }
    }

    fn reads(&self, polynomial: usize) -> [Range<usize>; 2] {
        let (tile, down) = (polynomial / self.down(), polynomial % self.down());
        let group = tile / (self.tiles[0] * self.tiles[1]);
        let (across, weights) = (self.across(), group * self.down() + down);
        [tile * across..(tile + 1) * across, weights * across..(weights + 1) * across]
    }
}
