"use client";

import { useMemo } from "react";
import { encode } from "uqr";

const QUIET_ZONE = 4; // modules, as ISO/IEC 18004 requires for readers

interface Props {
  text: string;
  label: string;
}

/** A QR code: black on white also in the dark, because many readers need it. */
export function QrCode({ text, label }: Props) {
  const { data, size } = useMemo(() => encode(text, { border: QUIET_ZONE, ecc: "M" }), [text]);
  const path = data.flatMap((row, y) => row.map((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : ""))).join("");
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${size} ${size}`}
      shapeRendering="crispEdges"
      className="size-52 rounded-lg"
    >
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}
