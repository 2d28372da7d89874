"""Power spectra of images, and the checkerboard that strided convolutions leave in them."""

import numpy as np

# Distance from the frequency of a checkerboard that still belongs to it, in cycles per pixel.
BANDWIDTH = 1 / 32


def power_spectrum(images: np.ndarray) -> np.ndarray:
    """Return the share of each frequency in the power of images, uint8 (N, R, R, 3): (R, R).

    Mean over images of the squared Fourier transform of their gray values, without the constant
    part. Frequencies have the order of `np.fft.fftfreq`. The sum is 1, or 0 for blank images.
    """
    gray = images.mean(axis=3, dtype=np.float32)
    power = np.square(np.abs(np.fft.fft2(gray, norm="ortho"))).mean(axis=0, dtype=np.float64)
    power[0, 0] = 0
    share: np.ndarray = power / (power.sum() or 1)
    return share


def checkerboard(spectrum: np.ndarray) -> float:
    """Return the share of a power spectrum (R, R) at the frequencies of a period of two pixels.

    A transposed convolution of stride 2 leaves patterns of this period, horizontal, vertical or
    both, in its output (Odena et al. 2016).
    """
    fold = np.abs(np.fft.fftfreq(len(spectrum)))
    zero, half = fold <= BANDWIDTH, fold >= 0.5 - BANDWIDTH
    either = np.logical_or.outer(half, half) & np.logical_and.outer(zero | half, zero | half)
    return float(spectrum[either].sum())


def radial_profile(spectrum: np.ndarray) -> np.ndarray:
    """Return the mean of a power spectrum (R, R) over the frequencies k/R, k = 1 to R/2: (R/2,).

    Of each direction, as in Durall et al. 2020, section 2.1.
    """
    side = len(spectrum)
    frequencies = np.fft.fftfreq(side, 1 / side)
    radius = np.hypot(*np.meshgrid(frequencies, frequencies)).round().astype(int).ravel()
    sums, counts = (np.bincount(radius, each) for each in (spectrum.ravel(), None))
    profile: np.ndarray = sums[1 : side // 2 + 1] / counts[1 : side // 2 + 1]
    return profile
